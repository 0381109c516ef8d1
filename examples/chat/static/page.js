import { Connection } from "/static/client.js";

const find = (id) => document.getElementById(id);
const [enter, room, say, posts, present, state] = ["enter", "room", "say", "posts", "present", "state"].map(find);
const here = new Map(); // socket -> nick
let connection = null;

function show(text, lost = false) {
  state.textContent = text;
  state.classList.toggle("lost", lost);
}

function line(...parts) {
  const item = document.createElement("li");
  item.append(...parts);
  const atEnd = posts.scrollHeight - posts.scrollTop - posts.clientHeight < 40;
  posts.append(item);
  if (atEnd) posts.scrollTop = posts.scrollHeight;
  return item;
}

function post(id, { nick, text, at }) {
  posts.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove(); // our own, which waited
  const name = document.createElement("b");
  name.textContent = nick;
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  line(name, ` ${text}`, time).dataset.id = id;
}

function note(text) { line(text).className = "note"; }

function list() {
  present.replaceChildren(...[...new Set(here.values())].sort().map((nick) => {
    const item = document.createElement("li");
    item.textContent = nick;
    return item;
  }));
}

async function look(name) {
  const answer = await fetch(`/rooms/${name}/present`);
  if (!answer.ok) return;
  here.clear();
  for (const { socket, meta } of await answer.json()) here.set(socket, meta.nick);
  list();
}

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  const { nick, room: name } = Object.fromEntries(new FormData(enter));
  connection = new Connection(`/ws/rooms/${name}?nick=${encodeURIComponent(nick)}`);
  connection.addEventListener("joined", ({ detail }) => {
    enter.hidden = true;
    room.hidden = false;
    show(detail.recovered ? `back in ${name}, ${detail.replayed} missed` : `in ${name} as ${nick}`);
    look(name);
    say.elements.text.focus();
  });
  connection.addEventListener("message", ({ detail }) => post(detail.id, detail.data));
  connection.addEventListener("presence", ({ detail }) => {
    for (const one of detail.left) here.delete(one.socket);
    for (const one of detail.joined) here.set(one.socket, one.meta.nick);
    list();
  });
  connection.addEventListener("reset", () => note("some posts were lost"));
  connection.addEventListener("error", ({ detail }) => { if (detail) note(detail.detail); });
  connection.addEventListener("link", ({ detail }) => show(detail.state === "up" ? `in ${name}` : "other servers are away", detail.state !== "up"));
  connection.addEventListener("lost", ({ detail }) => show(detail.final ? `closed: ${detail.reason || detail.code}` : "connection lost, coming back", true));
  connection.open();
});

say.addEventListener("submit", (event) => {
  event.preventDefault();
  const { text } = say.elements;
  const id = connection.send({ text: text.value });
  const item = line(text.value);
  item.className = "waiting";
  item.dataset.id = id;
  text.value = "";
});

window.chat = { drop: () => connection.drop() }; // for tests, and for the curious
