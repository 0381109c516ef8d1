// Speaks nexios.v1 and comes back by itself: where it left, and with what was not heard yet.

const FIRST_MS = 500, LONGEST_MS = 30_000, SILENCE_MS = 60_000;

export class Connection extends EventTarget {
  #url; #socket = null; #attempt = 0; #closed = false; #timer = 0; #silence = 0; #advised = null;
  #at = new Map();      // topic -> position, for the query of the next connection
  #waiting = new Map(); // id -> data, until the server says that it was heard

  constructor(url) { super(); this.#url = new URL(url, location.href); this.#url.protocol = this.#url.protocol.replace("http", "ws"); }

  open() {
    if (this.#closed) return;
    const url = new URL(this.#url);
    for (const [topic, at] of this.#at) url.searchParams.append("at", `${topic}@${at}`);
    const socket = this.#socket = new WebSocket(url, ["nexios.v1"]);
    socket.onopen = () => this.#tell("open");
    socket.onmessage = (event) => { this.#listen(); this.#take(JSON.parse(event.data)); };
    socket.onclose = (event) => { if (socket === this.#socket) this.#lost(event); };
    this.#listen();
  }

  close() { this.#closed = true; clearTimeout(this.#timer); clearTimeout(this.#silence); this.#socket?.close(1000); }

  // Sends now, or as soon as there is a connection again; the id makes a repetition harmless.
  send(data) {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#waiting.set(id, data);
    this.#write(id, data);
    return id;
  }

  // Cuts the line, as a bad network does.
  drop() { this.#socket?.close(3000); }

  #write(id, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "message", id, data }));
  }

  #take(frame) {
    if (frame.at) this.#at.set(frame.topic, frame.at);
    switch (frame.type) {
      case "joined":
        this.#attempt = 0;
        for (const [id, data] of this.#waiting) this.#write(id, data);
        break;
      case "reply": this.#waiting.delete(frame.ref); break;
      case "error": if (frame.ref) this.#waiting.delete(frame.ref); break;
      case "bye": this.#advised = frame.reconnect_after_s * 1000; break;
    }
    this.#tell(frame.type, frame);
  }

  // 4400 to 4499 without 4408, 4409 and 4429 is for good: nothing would be different next time.
  #lost(event) {
    clearTimeout(this.#silence);
    const final = this.#closed || [1007, 1008, 1009, 4400, 4401, 4403, 4409].includes(event.code);
    this.#tell("lost", { code: event.code, reason: event.reason, final });
    if (event.code === 4400) this.#at.clear();
    if (final) return;
    const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempt++);
    const wait = this.#advised ?? Math.random() * most;
    this.#advised = null;
    this.#timer = setTimeout(() => this.open(), wait);
  }

  // A browser is not told that a server has vanished; the server's tick comes every 25 seconds.
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.drop(), SILENCE_MS);
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
