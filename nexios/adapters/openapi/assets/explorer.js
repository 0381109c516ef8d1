"use strict";
// The page: title, navigation, operations by tag, schemas, sign-in, and where in it one is.

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

class Explorer {
  constructor(document_, settings) {
    this.document = document_;
    this.trying = settings.mode === "try";
    this.settings = settings;
    this.schemas = new Schemas(document_);
    this.channels = Boolean(document_.asyncapi);
    this.servers = this.channels ? [] : (document_.servers || []).map((one) => this.address(one));
    this.server = this.servers[0] || "/";
    this.groups = this.grouped();
  }

  /** A server's address with the defaults of its variables. */
  address(server) {
    const variables = server.variables || {};
    return server.url.replace(/\{([^}]*)\}/g, (whole, name) => (variables[name] ? variables[name].default : whole));
  }

  /** Tag to operations; what has no tag stands under the first part of its path. */
  grouped() {
    if (this.channels) return channelGroups(this);
    const groups = new Map((this.document.tags || []).map((tag) => [tag.name, { description: tag.description, operations: [] }]));
    for (const [path, item] of Object.entries(this.document.paths || {})) {
      for (const method of METHODS.filter((one) => item[one])) {
        const operation = item[method];
        const first = path.split("/").find((part) => part && !part.includes("{"));
        const names = operation.tags && operation.tags.length ? operation.tags : [first || "other"];
        const view = new OperationView(this, path, method, item, operation);
        for (const name of names.slice(0, 1)) {
          if (!groups.has(name)) groups.set(name, { operations: [] });
          groups.get(name).operations.push(view);
        }
      }
    }
    for (const [name, group] of groups) if (!group.operations.length) groups.delete(name);
    return groups;
  }

  show() {
    const { info } = this.document;
    document.title = info.title;
    this.links = [];
    const main = h("main", { id: "content", tabIndex: -1 }, this.introduction(info), this.operations(), this.components());
    document.body.replaceChildren(h("a", { class: "skip", href: "#content" }, "Skip to the content"), this.header(info), h("div", { class: "page" }, this.navigation(), main));
    if (this.settings.mode === "read") for (const group of this.groups.values()) for (const one of group.operations) one.open();
    window.addEventListener("hashchange", () => this.goto());
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) {
        event.preventDefault();
        this.filter.focus();
      }
    });
    this.goto();
  }

  header(info) {
    const schemes = (this.document.components || {}).securitySchemes || {};
    return h("header", null,
      h("button", { type: "button", class: "menu", "aria-expanded": "false", "aria-controls": "navigation", onclick: (event) => this.toggleMenu(event.currentTarget) }, "Menu"),
      h("a", { class: "title", href: "#" }, info.title, h("span", { class: "version" }, info.version)),
      h("div", { class: "tools" },
        this.trying && Object.keys(schemes).length ? this.signIn(schemes) : null,
        this.settings.other ? h("a", { class: "button", href: this.settings.other }, this.channels ? "HTTP" : this.trying ? "Read" : "Try it") : null,
        this.settings.channels ? h("a", { class: "button", href: this.settings.channels }, "Channels") : null,
        h("a", { class: "button", href: this.settings.url }, this.channels ? "asyncapi.json" : "openapi.json"),
        this.themePicker()));
  }

  toggleMenu(button) {
    const shown = document.body.classList.toggle("with-menu");
    button.setAttribute("aria-expanded", String(shown));
  }

  themePicker() {
    const names = ["auto", "light", "dark"];
    const now = () => document.documentElement.dataset.theme || "auto";
    const button = h("button", {
      type: "button", class: "button",
      onclick: () => {
        setTheme(names[(names.indexOf(now()) + 1) % names.length]);
        button.textContent = `Theme: ${now()}`;
      },
    }, `Theme: ${now()}`);
    return button;
  }

  /** The dialog for credentials; they stay in this page's memory and are gone with it. */
  signIn(schemes) {
    const fields = Object.entries(schemes).map(([name, given]) => {
      const [scheme] = this.schemas.follow(given);
      const basic = scheme.type === "http" && scheme.scheme.toLowerCase() === "basic";
      const cookie = scheme.type === "apiKey" && scheme.in === "cookie";
      const what = basic ? "name:password" : scheme.type === "apiKey" ? `key for ${scheme.name}` : "token";
      const input = h("input", { type: "password", id: `sign-in-${name}`, autocomplete: "off", placeholder: what, disabled: cookie });
      const note = cookie ? `The browser sends the cookie ${scheme.name} by itself.` : scheme.description;
      return [name, input, h("div", { class: "field" },
        h("label", { for: `sign-in-${name}` }, name, " ", h("span", { class: "type" }, [scheme.type, scheme.scheme, scheme.bearerFormat].filter(Boolean).join(", "))),
        note ? h("div", { class: "prose" }, prose(note)) : null, input)];
    });
    const button = h("button", { type: "button", class: "button", onclick: () => dialog.showModal() }, "Authorize");
    const update = () => {
      for (const [name, input] of fields) credentials.set(name, input.value.trim());
      const set = fields.some(([, input]) => input.value.trim());
      button.textContent = set ? "Authorized" : "Authorize";
      button.classList.toggle("set", set);
    };
    const dialog = h("dialog", { "aria-labelledby": "sign-in-title", onclose: update },
      h("form", { method: "dialog" }, h("h2", { id: "sign-in-title" }, "Authorize"),
        h("p", { class: "quiet" }, "Kept in the memory of this page only, and sent where an operation asks for it."),
        fields.map(([, , element]) => element),
        h("div", { class: "buttons" },
          h("button", { type: "button", class: "button", onclick: () => { for (const [, input] of fields) input.value = ""; dialog.close(); } }, "Forget"),
          h("button", { type: "submit", class: "send" }, "Done"))));
    return [button, dialog];
  }

  navigation() {
    this.filter = h("input", { type: "search", placeholder: "Filter (press /)", "aria-label": "Filter operations", oninput: () => this.narrow() });
    const groups = [...this.groups].map(([name, group]) => h("section", null, h("h2", null, name),
      h("ul", null, group.operations.map((one) => {
        const link = h("a", { href: "#" + one.id, title: `${one.method.toUpperCase()} ${one.path}` },
          h("span", { class: "method " + one.method }, one.method === "delete" ? "DEL" : one.method === "options" ? "OPT" : one.method.toUpperCase()),
          h("span", { class: "where" }, one.operation.summary || one.path));
        const row = h("li", null, link);
        this.links.push([one, row, link]);
        return row;
      }))));
    this.nothing = h("p", { class: "quiet", hidden: true }, "Nothing is called like that.");
    return h("nav", { id: "navigation", "aria-label": "Operations" }, this.filter, this.nothing, groups);
  }

  narrow() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const [view, row] of this.links) {
      const shown = words.every((word) => view.searched.includes(word));
      row.hidden = !shown;
      view.details.hidden = !shown;
      left += shown ? 1 : 0;
    }
    for (const section of document.querySelectorAll("nav section, main > section.group")) {
      section.hidden = ![...section.querySelectorAll("li, details.operation")].some((one) => !one.hidden);
    }
    this.nothing.hidden = left > 0;
  }

  introduction(info) {
    const contact = info.contact || {}, license = info.license;
    const facts = [
      contact.url ? h("a", { href: contact.url, rel: "noreferrer" }, contact.name || contact.url) : contact.name,
      contact.email ? h("a", { href: `mailto:${contact.email}` }, contact.email) : null,
      license ? (license.url ? h("a", { href: license.url, rel: "noreferrer" }, license.name) : license.name) : null,
      info.termsOfService ? h("a", { href: info.termsOfService, rel: "noreferrer" }, "Terms of service") : null,
      this.document.externalDocs ? h("a", { href: this.document.externalDocs.url, rel: "noreferrer" }, this.document.externalDocs.description || "More documentation") : null,
    ].filter(Boolean);
    const server = this.servers.length < 2 ? null : h("label", { class: "server" }, "Server ",
      h("select", { onchange: (event) => { this.server = event.target.value; } }, this.servers.map((one) => h("option", null, one))));
    return h("section", { class: "introduction" }, h("h1", null, info.title), h("div", { class: "prose" }, prose(info.summary), prose(info.description)),
      facts.length ? h("ul", { class: "facts" }, facts.map((one) => h("li", null, one))) : null, server);
  }

  operations() {
    if (!this.groups.size) return h("p", { class: "quiet" }, this.channels ? "This application has no channels yet." : "This application has no operations yet.");
    return [...this.groups].map(([name, group]) => h("section", { class: "group" }, h("h2", null, name),
      group.description ? h("div", { class: "prose" }, prose(group.description)) : null, group.operations.map((one) => one.element())));
  }

  components() {
    const schemas = Object.entries((this.document.components || {}).schemas || {});
    if (!schemas.length) return null;
    return h("section", { class: "group" }, h("h2", null, "Schemas"), schemas.map(([name, schema]) => {
      const details = h("details", {
        class: "schema", id: `schema-${name}`,
        ontoggle: () => {
          if (!details.open || details.children.length > 1) return;
          details.append(h("div", { class: "inside-schema" }, schema.description ? h("div", { class: "prose" }, prose(schema.description)) : null,
            this.schemas.tree(schema) || this.schemas.limits(schema).map((text) => h("span", { class: "limit" }, text))));
        },
      }, h("summary", null, h("code", { class: "path" }, name), h("span", { class: "brief" }, this.schemas.type({ ...schema, properties: undefined }))));
      return details;
    }));
  }

  goto() {
    const id = decodeURIComponent(location.hash.slice(1));
    for (const [view, , link] of this.links) {
      if (view.id === id) {
        link.setAttribute("aria-current", "true");
        view.open();
        view.details.scrollIntoView();
        view.details.querySelector("summary").focus({ preventScroll: true });
        document.body.classList.remove("with-menu");
      } else link.removeAttribute("aria-current");
    }
  }
}

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("nexios-docs-theme", name);
  } catch (error) {
    console.info("the theme is not remembered:", error.message);
  }
}

function rememberedTheme() {
  try {
    return localStorage.getItem("nexios-docs-theme") || "auto";
  } catch (error) {
    return "auto";
  }
}

async function begin() {
  const { document: url, mode, other, channels } = document.documentElement.dataset;
  setTheme(rememberedTheme());
  try {
    const response = await fetch(url, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    new Explorer(await response.json(), { mode, other, channels, url }).show();
    document.body.dataset.state = "shown";
  } catch (error) {
    document.body.replaceChildren(h("main", null, h("h1", null, "The document could not be shown"), h("p", { role: "alert" }, error.message), h("a", { href: url }, url)));
    document.body.dataset.state = "failed";
  }
}

begin();
