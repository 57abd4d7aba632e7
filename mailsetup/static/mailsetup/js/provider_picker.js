/*
 * Turns the grouped <select> of providers into a field to search in: a combobox with a listbox,
 * by the ARIA Authoring Practices. The <select> stays in the form and keeps the value; whoever
 * listens to its "change" event needs not know of this module.
 */

const plain = (text) =>
    text.normalize("NFD").replace(/\p{Diacritic}/gu, "").replace(/đ/gi, "d").toLowerCase();

function options(select, providers) {
    const extra = new Map(
        providers.map((each) => [each.id, [...each.keywords, ...each.domains, each.host].join(" ")])
    );
    return [...select.options].filter((option) => option.value).map((option) => ({
        value: option.value,
        label: option.text,
        group: option.parentElement.label || "",
        words: plain(`${option.text} ${extra.get(option.value) || ""}`),
    }));
}

function build(select, words) {
    const box = document.createElement("div");
    box.className = "mailsetup-combobox";
    const input = document.createElement("input");
    const list = document.createElement("div");
    const status = document.createElement("span");
    input.type = "text";
    input.id = `${select.id}_search`;
    input.className = "vTextField";
    input.autocomplete = "off";
    input.spellcheck = false;
    input.placeholder = words.search;
    list.id = `${select.id}_list`;
    list.className = "mailsetup-listbox";
    list.hidden = true;
    status.className = "visually-hidden";
    const label = document.querySelector(`label[for="${select.id}"]`);
    if (label) {
        label.id = label.id || `${select.id}_label`;
        label.htmlFor = input.id;
        list.setAttribute("aria-labelledby", label.id);
    }
    const attributes = {
        role: "combobox",
        "aria-autocomplete": "list",
        "aria-expanded": "false",
        "aria-controls": list.id,
    };
    Object.entries(attributes).forEach(([name, value]) => input.setAttribute(name, value));
    const described = select.getAttribute("aria-describedby");
    if (described) input.setAttribute("aria-describedby", described);
    list.setAttribute("role", "listbox");
    status.setAttribute("role", "status");
    box.append(input, list, status);
    return { box, input, list, status };
}

class Picker {
    constructor(select, providers, words) {
        this.select = select;
        this.words = words;
        this.options = options(select, providers);
        Object.assign(this, build(select, words));
        this.active = -1;
        this.shown = [];
        select.hidden = true;
        select.after(this.box);
        this.input.addEventListener("input", () => this.open(this.input.value));
        this.input.addEventListener("click", () => this.open(""));
        this.input.addEventListener("keydown", (event) => this.key(event));
        this.input.addEventListener("blur", () => this.close());
        // Not "click": the field would lose the focus, and close the list, before it.
        this.list.addEventListener("pointerdown", (event) => this.point(event));
        select.addEventListener("change", () => this.show());
        this.show();
    }

    show() {
        const chosen = this.options.find((option) => option.value === this.select.value);
        this.input.value = chosen ? chosen.label : "";
    }

    open(text) {
        const wanted = plain(text).split(/\s+/).filter(Boolean);
        const found = this.options.filter((o) => wanted.every((word) => o.words.includes(word)));
        // "Other" is the answer where nothing matches.
        this.shown = found.length ? found : this.options.filter((o) => o.value === "other");
        this.status.textContent = found.length
            ? this.words.found.replace("{count}", found.length)
            : this.words.noneFound;
        this.render(found.length > 0);
        this.list.hidden = false;
        this.input.setAttribute("aria-expanded", "true");
        const chosen = this.shown.findIndex((option) => option.value === this.select.value);
        this.move(wanted.length ? 0 : chosen);
    }

    render(matched) {
        this.list.replaceChildren();
        if (!matched) {
            const note = document.createElement("div");
            note.className = "mailsetup-listbox-note";
            note.setAttribute("role", "presentation");
            note.textContent = this.words.noneFound;
            this.list.append(note);
        }
        let group = null;
        this.shown.forEach((option, index) => {
            if (!group || group.dataset.name !== option.group) {
                group = this.group(option.group);
            }
            const item = document.createElement("div");
            item.id = `${this.list.id}_${index}`;
            item.setAttribute("role", "option");
            item.setAttribute("aria-selected", String(option.value === this.select.value));
            item.dataset.index = index;
            item.textContent = option.label;
            group.append(item);
        });
    }

    group(name) {
        const group = document.createElement("div");
        const title = document.createElement("div");
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", name);
        group.dataset.name = name;
        title.setAttribute("aria-hidden", "true");
        title.className = "mailsetup-listbox-group";
        title.textContent = name;
        group.append(title);
        this.list.append(group);
        return group;
    }

    move(index) {
        this.list.querySelector(".mailsetup-active")?.classList.remove("mailsetup-active");
        this.active = index;
        const item = this.list.querySelector(`[data-index="${index}"]`);
        if (!item) {
            this.input.removeAttribute("aria-activedescendant");
            return;
        }
        item.classList.add("mailsetup-active");
        item.scrollIntoView({ block: "nearest" });
        this.input.setAttribute("aria-activedescendant", item.id);
    }

    key(event) {
        const open = !this.list.hidden;
        const last = this.shown.length - 1;
        const steps = {
            ArrowDown: () => (open ? this.move(this.active < last ? this.active + 1 : 0) : this.open("")),
            ArrowUp: () => (open ? this.move(this.active > 0 ? this.active - 1 : last) : this.open("")),
            Enter: () => open && this.choose(this.active),
            Escape: () => open && this.close(),
        };
        if (event.key === "Tab" && open && this.active >= 0 && this.input.value) {
            this.choose(this.active);
            return;
        }
        const step = steps[event.key];
        if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
        if (open || event.key.startsWith("Arrow")) event.preventDefault();
        step();
    }

    point(event) {
        event.preventDefault();
        const item = event.target.closest("[role=option]");
        if (item) this.choose(Number(item.dataset.index));
    }

    choose(index) {
        const option = this.shown[index];
        this.list.hidden = true;
        // As with any <select>, to choose what is chosen changes nothing.
        if (option && option.value !== this.select.value) {
            this.select.value = option.value;
            this.select.dispatchEvent(new Event("change", { bubbles: true }));
        }
        this.close();
    }

    close() {
        this.list.hidden = true;
        this.input.setAttribute("aria-expanded", "false");
        this.input.removeAttribute("aria-activedescendant");
        if (this.input.value.trim() === "" && this.select.value) {
            this.select.value = "";
            this.select.dispatchEvent(new Event("change", { bubbles: true }));
        }
        this.show();
    }
}

const select = document.querySelector("select#id_provider:not([disabled])");
const data = document.getElementById("mailsetup-providers");
const words = document.getElementById("mailsetup-words");
if (select && data && words) {
    new Picker(select, JSON.parse(data.textContent), words.dataset);
}
