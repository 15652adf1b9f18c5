"""A conversation by python-socketio: python_client.py '{"base":...,"token":...,"business":...}'

Ends with 0 where everything came as it should, by polling and by WebSocket.
"""
import json
import sys
import threading

import requests
import socketio

PATIENCE = 20


class Person:
    def __init__(self, base, transport, auth, patience=PATIENCE):
        self.heard = []
        self.news = threading.Condition()
        self.client = socketio.Client(reconnection=False)
        # Events of the log end with their offset.
        self.client.on('*', lambda name, payload, *offset: self.note(name, payload))
        self.client.connect(base, auth=auth, transports=[transport], wait_timeout=patience)

    def note(self, name, payload):
        with self.news:
            self.heard.append((name, payload))
            self.news.notify_all()

    def hears(self, name, fits=lambda payload: True):
        def found():
            return next((p for n, p in self.heard if n == name and fits(p)), None)

        with self.news:
            if not self.news.wait_for(found, PATIENCE):
                raise AssertionError(f'{name} did not come; heard: {self.heard}')
            return found()


def talk(given, transport):
    base, token, business = given['base'], given['token'], given['business']
    agent = Person(base, transport, {'token': token})
    visitor = Person(base, transport, {'business_id': business})
    session = visitor.hears('visitor_session')
    answer = visitor.client.call('client_message', {'content': f'Hello by {transport}'})
    assert answer['ok'], answer
    conversation = answer['message']['conversation_id']
    came = agent.hears('new_message', lambda m: m['id'] == answer['message']['id'])
    assert came['content'] == f'Hello by {transport}', came
    joined = agent.client.call('join_conversation', {'conversation_id': conversation})
    assert joined == {'ok': True}, joined
    agent.client.emit('typing', {'conversation_id': conversation, 'is_typing': True})
    assert visitor.hears('typing')['is_typing'] is True
    requests.post(f'{base}/api/v1/conversations/{conversation}/messages', json={'content': 'Hi'},
                  headers={'Authorization': f'Bearer {token}'}, timeout=PATIENCE).raise_for_status()
    visitor.hears('new_message', lambda m: m['content'] == 'Hi' and m['sender_type'] == 'agent')
    visitor.client.disconnect()

    again = Person(base, transport, {'business_id': business, 'visitor_token': session['token']})
    answer = again.client.call('client_message', {'content': 'Back'})
    assert answer['message']['conversation_id'] == conversation, answer
    again.client.disconnect()
    agent.client.disconnect()

    try:
        # After a refusal it waits to the end all the same.
        Person(base, transport, {'token': 'forged'}, patience=2)
    except socketio.exceptions.ConnectionError:
        return
    raise AssertionError('a forged token was taken')


for each in ('polling', 'websocket'):
    talk(json.loads(sys.argv[1]), each)
