"use strict";
// One operation of a channel: who sends, which messages, and what is answered.

const ACTIONS = { receive: "the application takes", send: "the application sends" };

class ChannelOperationView {
  constructor(explorer, id, operation) {
    Object.assign(this, { explorer, id, operation, schemas: explorer.schemas, method: operation.action });
    [this.channel] = this.schemas.follow(operation.channel);
    this.path = this.channel.address || id;
    this.searched = [this.path, this.method, operation.summary, id].join(" ").toLowerCase();
  }

  element() {
    const guarded = (this.operation.security || []).length > 0;
    const summary = h("summary", null,
      h("span", { class: "method " + this.method }, this.method.toUpperCase()),
      h("code", { class: "path" }, this.path.split(/(\{[^}]*\})/).map((part, index) => (index % 2 ? h("em", null, part) : part))),
      h("span", { class: "brief" }, this.operation.summary || ACTIONS[this.method]),
      guarded ? h("span", { class: "tagged" }, "sign-in") : null);
    this.details = h("details", { class: "operation", id: this.id, ontoggle: () => this.details.open && this.fill() }, summary);
    return this.details;
  }

  open() {
    this.details.open = true;
    this.fill();
  }

  fill() {
    if (this.details.children.length > 1) return;
    const { operation, channel } = this;
    const schemes = (operation.security || []).map((one) => this.schemas.follow(one)[1]);
    const handshake = (channel.bindings || {}).ws || (operation.bindings || {}).http || {};
    this.details.append(h("div", { class: "inside" }, h("div", { class: "told" },
      [channel.description, operation.description].filter(Boolean).map((text) => h("div", { class: "prose" }, prose(text))),
      schemes.length ? h("p", { class: "quiet" }, "Asks for ", schemes.map((name, index) => [index ? " or " : "", h("code", null, name)])) : null,
      this.members("Path", Object.fromEntries(Object.entries(channel.parameters || {}).map(([name, one]) => [name, one["x-schema"] || {}]))),
      this.part("Query", handshake.query), this.part("Headers", handshake.headers),
      this.messages(ACTIONS[this.method], operation.messages),
      operation.reply ? this.messages("it replies", operation.reply.messages) : null)));
  }

  part(title, schema) {
    return schema ? [h("h4", null, title), this.schemas.tree(schema)] : null;
  }

  members(title, properties) {
    return Object.keys(properties).length ? this.part(title, { properties, required: Object.keys(properties) }) : null;
  }

  messages(title, given) {
    return [h("h4", null, title), (given || []).map((one) => this.message(this.schemas.follow(one)[0]))];
  }

  message(message) {
    const text = JSON.stringify(this.schemas.example(message.payload), null, 2);
    const json = (message.contentType || "application/json").endsWith("json");
    return h("details", { class: "schema message" },
      h("summary", null, h("code", { class: "path" }, message.title), h("span", { class: "brief" }, message.summary || message.contentType)),
      h("div", { class: "inside-schema" },
        message.headers ? [h("h4", null, "Headers"), this.schemas.tree(message.headers)] : null,
        this.schemas.tree(message.payload) || h("p", { class: "quiet" }, this.schemas.type(message.payload)),
        json && text ? code(text, "message", true) : null));
  }
}

/** The address of a channel to its operations. */
function channelGroups(explorer) {
  const groups = new Map();
  for (const [id, operation] of Object.entries(explorer.document.operations || {})) {
    const view = new ChannelOperationView(explorer, id, operation);
    if (!groups.has(view.path)) groups.set(view.path, { description: view.channel.summary, operations: [] });
    groups.get(view.path).operations.push(view);
  }
  return groups;
}
