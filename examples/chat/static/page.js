import { Connection } from "/static/client.js";

const find = (id) => document.getElementById(id);
const [enter, leave, room, say, posts, present, state] = ["enter", "leave", "room", "say", "posts", "present", "state"].map(find);
const here = new Map(); // socket -> nick
let connection = null;

// In a room or before its door.
function stand(inside) {
  enter.hidden = inside;
  room.hidden = leave.hidden = !inside;
}

function part() {
  connection?.close();
  connection = null;
}

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

// A browser is not told why a handshake was refused, so the door is asked.
async function ask(name, nick) {
  try {
    const answer = await fetch(`/rooms/${name}/door?nick=${encodeURIComponent(nick)}`);
    return answer.status === 422 ? (await answer.json()).detail : null;
  } catch {
    return null; // nobody is there at all: the connection tries again
  }
}

// What could not be said goes back to who wrote it.
function refused({ ref, detail }) {
  const item = ref && posts.querySelector(`[data-id="${CSS.escape(ref)}"]`);
  if (item) {
    say.elements.text.value ||= item.textContent;
    item.remove();
  }
  note(detail);
}

function join(nick, name) {
  part(); // pressed twice, or another name after one that was refused
  posts.replaceChildren();
  const mine = connection = new Connection(`/ws/rooms/${name}?nick=${encodeURIComponent(nick)}`);
  let joined = false;
  show(`entering ${name}`);
  connection.addEventListener("joined", ({ detail }) => {
    stand(true);
    show(detail.recovered ? `back in ${name}, ${detail.replayed} missed` : `in ${name} as ${nick}`);
    look(name);
    if (!joined) say.elements.text.focus();
    joined = true;
    location.hash = name; // to come back after a reload, and to send to others
    sessionStorage.nick = nick;
  });
  connection.addEventListener("message", ({ detail }) => post(detail.id, detail.data));
  connection.addEventListener("presence", ({ detail }) => {
    for (const one of detail.left) here.delete(one.socket);
    for (const one of detail.joined) here.set(one.socket, one.meta.nick);
    list();
  });
  connection.addEventListener("reset", () => note("some posts were lost"));
  connection.addEventListener("error", ({ detail }) => { if (detail) refused(detail); });
  connection.addEventListener("link", ({ detail }) => show(detail.state === "up" ? `in ${name} as ${nick}` : "other servers are away", detail.state !== "up"));
  connection.addEventListener("lost", async ({ detail }) => {
    if (connection !== mine) return; // left
    show(detail.final ? `closed: ${detail.reason || detail.code}` : "connection lost, coming back", true);
    if (detail.final) stand(false);
    const why = joined ? null : await ask(name, nick);
    if (why === null || connection !== mine) return;
    part();
    show(`cannot enter: ${why}`, true);
    stand(false);
  });
  connection.open();
}

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  const { nick, room: name } = Object.fromEntries(new FormData(enter));
  join(nick.trim(), name);
});

leave.addEventListener("click", () => {
  part();
  stand(false);
  show("not in a room");
  history.replaceState(null, "", location.pathname);
  enter.elements.nick.focus();
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

// A reload, or an address that names the room.
const named = decodeURIComponent(location.hash.slice(1));
if (named) enter.elements.room.value = named;
enter.elements.nick.value = sessionStorage.nick ?? "";
if (named && sessionStorage.nick && enter.checkValidity()) join(sessionStorage.nick, named);
