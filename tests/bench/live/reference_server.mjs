// Node's official Socket.IO server with the rooms and events of realtime-conformance --bench: who
// says join_conversation is in the conversation, a client_message becomes a new_message for all in it.
// Prints {"pid":...,"port":...} when it serves.
import { createServer } from "node:http";
import { Server } from "socket.io";

const listener = createServer();
const io = new Server(listener, { serveClient: false });
const roomOf = (message) => `conversation_${message.conversation_id}`;
let last = 0;

io.on("connection", (socket) => {
  socket.on("join_conversation", (message) => socket.join(roomOf(message)));
  socket.on("client_message", (message) => {
    io.to(roomOf(message)).emit("new_message", {
      id: ++last,
      content: message.content,
      sender_type: "customer",
      conversation_id: message.conversation_id,
      created_at: new Date().toISOString(),
    });
  });
});

listener.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ pid: process.pid, port: listener.address().port }));
});
