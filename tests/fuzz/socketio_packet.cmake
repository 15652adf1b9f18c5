gateway_fuzz(socketio_packet SOURCES socketio_packet_fuzz.cc
  CORPUS tests/fuzz/corpus/socketio_packet LINK gateway_realtime)
