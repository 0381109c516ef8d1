"use strict";
// One operation: what it takes, what it answers, and the form that sends it.

let made = 0;

class OperationView {
  constructor(explorer, path, method, item, operation) {
    Object.assign(this, { explorer, path, method, operation, schemas: explorer.schemas });
    this.id = operation.operationId || `${method}${path.replace(/[^A-Za-z0-9]+/g, "-")}`;
    const own = [...(item.parameters || []), ...(operation.parameters || [])].map((one) => this.schemas.follow(one)[0]);
    this.parameters = [...new Map(own.map((one) => [`${one.in} ${one.name}`, one])).values()];
    this.body = operation.requestBody ? this.schemas.follow(operation.requestBody)[0] : null;
    this.searched = [path, method, operation.summary, this.id, ...(operation.tags || [])].join(" ").toLowerCase();
  }

  get guarded() {
    const asked = this.operation.security || this.explorer.document.security || [];
    return asked.some((each) => Object.keys(each).length);
  }

  element() {
    const { operation } = this;
    const summary = h("summary", null,
      h("span", { class: "method " + this.method }, this.method.toUpperCase()),
      h("code", { class: "path" }, this.path.split(/(\{[^}]*\})/).map((part, index) => (index % 2 ? h("em", null, part) : part))),
      h("span", { class: "brief" }, operation.summary || ""),
      operation.deprecated ? h("span", { class: "tagged" }, "deprecated") : null,
      this.guarded ? h("span", { class: "tagged" }, "sign-in") : null);
    this.details = h("details", { class: "operation", id: this.id, ontoggle: () => this.details.open && this.fill() }, summary);
    if (operation.deprecated) this.details.classList.add("deprecated");
    return this.details;
  }

  open() {
    this.details.open = true;
    this.fill();
  }

  fill() {
    if (this.details.children.length > 1) return;
    const told = h("div", { class: "told" },
      this.operation.description ? h("div", { class: "prose" }, prose(this.operation.description)) : null,
      this.guarded ? h("p", { class: "quiet" }, "Asks for ", this.requirements()) : null,
      this.parameterList(), this.bodyPart(), this.answers());
    const side = this.explorer.trying ? this.form() : this.sample();
    this.details.append(h("div", { class: "inside" }, told, side));
  }

  requirements() {
    const asked = this.operation.security || this.explorer.document.security || [];
    const named = asked.map((each) => Object.entries(each).map(([name, scopes]) => [
      h("code", null, name), scopes.length ? ` (${scopes.join(", ")})` : ""]));
    return named.map((one, index) => [index ? " or " : "", one.map((part, at) => [at ? " and " : "", part])]);
  }

  parameterList() {
    if (!this.parameters.length) return null;
    return [h("h4", null, "Parameters"), h("ul", { class: "members parameters" }, this.parameters.map((one) => {
      const schema = one.schema || {};
      return h("li", null,
        h("code", { class: "name" }, one.name), " ", h("span", { class: "type" }, this.schemas.type(schema)),
        h("span", { class: "place" }, one.in), one.required ? h("span", { class: "required" }, "required") : null,
        one.deprecated ? h("span", { class: "required" }, "deprecated") : null,
        this.schemas.limits(schema).map((text) => h("span", { class: "limit" }, text)),
        one.description ? h("div", { class: "prose" }, prose(one.description)) : null);
    }))];
  }

  bodyPart() {
    if (!this.body) return null;
    const parts = Object.entries(this.body.content || {}).map(([media, one]) => this.contentOf(media, one));
    return [h("h4", null, "Body", this.body.required ? h("span", { class: "required" }, "required") : null),
      this.body.description ? h("div", { class: "prose" }, prose(this.body.description)) : null, parts];
  }

  contentOf(media, content) {
    const schema = content.schema;
    const type = schema && Object.keys(schema).length ? this.schemas.type(schema) : "any content";
    return h("div", { class: "content" },
      h("div", null, h("code", null, media), " ", h("span", { class: "type" }, type),
        schema && !this.schemas.inner(schema) ? this.schemas.limits(schema).map((text) => h("span", { class: "limit" }, text)) : null),
      schema ? this.schemas.tree(schema) : null);
  }

  answers() {
    const rows = Object.entries(this.operation.responses || {}).map(([status, given]) => {
      const [response] = this.schemas.follow(given);
      const contents = Object.entries(response.content || {});
      const kind = /^[23]/.test(status) ? "good" : /^[45]/.test(status) ? "bad" : "other";
      const head = [h("span", { class: "status " + kind }, status), " ", response.description || "",
        h("span", { class: "place" }, contents.map(([media]) => media).join(", "))];
      const headers = Object.entries(response.headers || {});
      if (!contents.length && !headers.length) return h("li", null, head);
      const details = h("details", {
        ontoggle: () => {
          if (!details.open || details.children.length > 1) return;
          details.append(h("div", null,
            headers.length ? h("ul", { class: "members" }, headers.map(([name, one]) => this.schemas.row(name, this.schemas.follow(one)[0].schema || {}, false, 1))) : null,
            contents.map(([media, one]) => this.contentOf(media, one))));
        },
      }, h("summary", null, head));
      return h("li", null, details);
    });
    return [h("h4", null, "Answers"), h("ul", { class: "answers" }, rows)];
  }

  /** The first good answer with content: what an example is made of. */
  sample() {
    const good = Object.entries(this.operation.responses || {}).find(([status]) => /^2/.test(status));
    const [media, content] = Object.entries((good && this.schemas.follow(good[1])[0].content) || {})[0] || [];
    const filled = this.parameters.filter((one) => one.required && one.in !== "cookie").map((one) => [one, this.given(one)]);
    const [bodyMedia, bodyContent] = Object.entries((this.body || {}).content || {})[0] || [];
    const body = bodyMedia ? { media: bodyMedia, content: this.exampleText(bodyMedia, bodyContent) } : null;
    const request = this.assembled(filled, body);
    return h("div", { class: "side" }, h("h4", null, "Request"), code(curl(request), "the request"),
      media ? [h("h4", null, `Answer ${good[0]}`), code(this.exampleText(media, content), "an example answer", /json/.test(media))] : null);
  }

  given(parameter) {
    const named = Object.values(parameter.examples || {})[0];
    if (parameter.example !== undefined) return parameter.example;
    return named ? this.schemas.follow(named)[0].value : this.schemas.example(parameter.schema) ?? "";
  }

  exampleText(media, content) {
    const named = Object.values(content.examples || {})[0];
    const value = content.example ?? (named ? this.schemas.follow(named)[0].value : this.schemas.example(content.schema));
    if (value === undefined) return "";
    return typeof value === "string" && !/json/.test(media) ? value : JSON.stringify(value, null, 2);
  }

  assembled(values, body) {
    return assemble(this.explorer.document, this.explorer.server, this.path, this.method, this.operation, values, body);
  }

  form() {
    const fields = this.parameters.filter((one) => one.in !== "cookie").map((one) => this.field(one));
    const cookies = this.parameters.filter((one) => one.in === "cookie");
    const body = this.bodyFields();
    const shown = h("div", { class: "shown", "aria-live": "polite" });
    const send = h("button", { type: "submit", class: "send" }, "Send");
    return h("form", {
      class: "side",
      onsubmit: async (event) => {
        event.preventDefault();
        send.disabled = true;
        shown.replaceChildren(h("p", { class: "quiet" }, "Waiting for the answer …"));
        try {
          const values = fields.map((one) => [one.parameter, one.value()]).filter(([, value]) => value !== null);
          const request = this.assembled(values, body ? body.value() : null);
          shown.replaceChildren(...this.answered(await exchange(request), request));
        } catch (error) {
          shown.replaceChildren(h("p", { class: "failure", role: "alert" }, `No answer: ${error.message}`));
        } finally {
          send.disabled = false;
        }
      },
    }, h("h4", null, "Try it"), fields.map((one) => one.element),
    cookies.length ? h("p", { class: "quiet" }, `The browser sends its own cookies: ${cookies.map((one) => one.name).join(", ")}.`) : null,
    body ? body.element : null, send, shown);
  }

  /** An input for one parameter: its element and how its value is read; null when left empty. */
  field(parameter) {
    const id = `field-${(made += 1)}`;
    const [schema] = this.schemas.follow(parameter.schema || {});
    const many = schema.type === "array";
    const [item] = many ? this.schemas.follow(schema.items || {}) : [schema];
    const choices = item.enum || (item.type === "boolean" ? [true, false] : null);
    const start = parameter.required && !choices ? String(many ? [this.given(parameter)].flat().join("\n") : this.given(parameter)) : "";
    const options = { id, name: parameter.name, required: Boolean(parameter.required && parameter.in !== "query"), "aria-describedby": id + "-type" };
    let input;
    if (choices) {
      input = h("select", { ...options, multiple: many },
        many || parameter.required ? null : h("option", { value: "" }, ""),
        choices.map((one) => h("option", { value: String(one) }, String(one))));
    } else if (many) input = h("textarea", { ...options, rows: "2", placeholder: "one value a line" }, start);
    else {
      const hint = schema.default !== undefined && schema.default !== null ? String(schema.default) : "";
      input = h("input", { ...options, type: "text", value: start, placeholder: hint, autocomplete: "off", spellcheck: "false" });
    }
    const value = () => {
      if (input.multiple) return input.selectedOptions.length ? [...input.selectedOptions].map((one) => one.value) : null;
      if (many) return input.value.trim() ? input.value.split("\n").filter((line) => line) : null;
      return input.value === "" && !(parameter.required && parameter.in === "query") ? null : input.value;
    };
    return { parameter, value, element: h("div", { class: "field" },
      h("label", { for: id }, parameter.name, parameter.required ? h("span", { class: "required" }, "required") : null),
      h("span", { class: "type", id: id + "-type" }, `${parameter.in}, ${this.schemas.type(parameter.schema || {})}`), input) };
  }

  /** The part of the form for the body: text for most types, a field for each part of a form. */
  bodyFields() {
    const contents = Object.entries((this.body || {}).content || {});
    if (!contents.length) return null;
    const id = `body-${(made += 1)}`;
    const holder = h("div", null);
    let current = null;
    const choose = (media) => {
      const content = this.body.content[media];
      current = /form/.test(media) && this.schemas.inner(content.schema || {}) ? this.formFields(media, content) : this.textField(media, content, id);
      holder.replaceChildren(current.element);
    };
    choose(contents[0][0]);
    const picker = contents.length < 2 ? h("span", { class: "type" }, contents[0][0])
      : h("select", { "aria-label": "Content type", onchange: (event) => choose(event.target.value) }, contents.map(([media]) => h("option", null, media)));
    return { value: () => current.value(), element: h("div", { class: "field" }, h("label", { for: id }, "Body"), picker, holder) };
  }

  textField(media, content, id) {
    const text = this.exampleText(media, content);
    const input = h("textarea", { id, rows: String(Math.min(16, Math.max(3, text.split("\n").length))), spellcheck: "false" });
    input.value = text;
    return { element: input, value: () => (input.value === "" ? null : { media, content: input.value }) };
  }

  formFields(media, content) {
    const inner = this.schemas.inner(content.schema);
    const required = new Set(inner.required || []);
    const inputs = Object.entries(inner.properties || {}).map(([name, one]) => {
      const [schema] = this.schemas.follow(one);
      const [item] = schema.type === "array" ? this.schemas.follow(schema.items || {}) : [schema];
      const file = item.format === "binary" || item.contentMediaType;
      const input = file ? h("input", { type: "file", name, multiple: schema.type === "array" })
        : h("input", { type: "text", name, required: required.has(name), value: required.has(name) ? String(this.schemas.example(one) ?? "") : "" });
      return [input, h("label", { class: "part" }, `${name} `, h("span", { class: "type" }, this.schemas.type(one)), input)];
    });
    const value = () => {
      const form = /multipart/.test(media) ? new FormData() : new URLSearchParams();
      for (const [input] of inputs) {
        if (input.type === "file") for (const file of input.files) form.append(input.name, file);
        else if (input.value !== "") form.append(input.name, input.value);
      }
      return { media, content: form instanceof FormData ? form : form.toString() };
    };
    return { element: h("div", { class: "parts" }, inputs.map(([, label]) => label)), value };
  }

  answered(answer, request) {
    const kind = answer.status < 400 ? "good" : "bad";
    return [
      h("p", { class: "line" }, h("span", { class: "status " + kind }, String(answer.status)), ` ${answer.words} `,
        h("span", { class: "quiet" }, `${answer.took} ms, ${answer.size} bytes`)),
      answer.note ? h("p", { class: "failure" }, answer.note) : null,
      answer.text ? code(answer.text, "the answer", answer.json) : null,
      answer.file ? h("p", null, h("a", { href: answer.file, download: this.id }, `Save the answer (${answer.media || "unknown type"})`)) : null,
      h("details", null, h("summary", null, "Headers"), code(answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n"), "the headers")),
      h("details", null, h("summary", null, "As a command"), code(curl(request), "the command")),
    ].filter(Boolean);
  }
}
