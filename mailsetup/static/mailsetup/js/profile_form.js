/*
 * Makes the profile's form quicker: a provider fills in its server, an encryption its port, a
 * username proposes its provider. What was typed by hand stays. The server checks all of it again.
 */

const PORTS = { tls: "465", starttls: "587", none: "25" };
const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[?::1\]?)$/i;

const field = (name) => document.getElementById(`id_${name}`);
/* Skins of the admin have rows of their own; all mark them by the field's name, or have none. */
const row = (name) => document.querySelector(`.field-${name}`) ?? field(name).parentElement;

function sentence(template, values) {
    return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

class ProfileForm {
    constructor(providers, words) {
        this.providers = providers;
        this.words = words;
        this.provider = field("provider");
        this.notice = this.makeNotice();
        this.guessTyped();
        this.listen();
        this.showPanel();
        this.showConsent();
        this.addReveal();
        // A port that is there, stored or sent back with an error, is nobody's to change yet.
        if (!field("port").value) this.fillPort();
    }

    makeNotice() {
        const notice = document.createElement("p");
        notice.className = "mailsetup-live";
        notice.setAttribute("role", "status");
        document.getElementById("mailsetup-provider-panels").before(notice);
        return notice;
    }

    /* A value that follows from the others may follow them further; any other is the user's. */
    guessTyped() {
        const chosen = this.chosen();
        this.typed = new Set();
        this.portTypedHere = false;
        const port = field("port").value;
        const usual = [PORTS[field("encryption").value], ...(chosen?.ports ?? []).map((p) => String(p.port))];
        if (port && !usual.includes(port)) this.typed.add("port");
        const hosts = this.providers.flatMap((p) => [p.host, ...p.hosts.map((h) => h.host)]);
        if (field("host").value && !hosts.includes(field("host").value)) this.typed.add("host");
        if (field("slug").value) this.typed.add("slug");
    }

    listen() {
        ["host", "port", "slug"].forEach((name) => {
            field(name).addEventListener("input", () => {
                if (field(name).value) this.typed.add(name);
                else this.typed.delete(name);
                if (name === "port") this.portTypedHere = this.typed.has("port");
            });
        });
        this.provider.addEventListener("change", () => this.useProvider());
        field("encryption").addEventListener("change", () => this.fillPort());
        field("username").addEventListener("change", () => this.proposeProvider());
        field("password").addEventListener("input", () => this.takeBlanksOut());
        ["encryption", "login", "host"].forEach((name) => {
            field(name).addEventListener("change", () => this.showConsent());
        });
        field("login").addEventListener("change", () => this.showLogin());
        this.showLogin();
    }

    chosen() {
        return this.providers.find((each) => each.id === this.provider.value);
    }

    set(name, value) {
        const input = field(name);
        if (input.disabled || input.value === value) return false;
        input.value = value;
        input.dispatchEvent(new Event("mailsetup:filled", { bubbles: true }));
        return true;
    }

    useProvider() {
        const chosen = this.chosen();
        this.showPanel();
        this.notice.textContent = "";
        if (!chosen || !chosen.host) return;
        // Choosing a provider asks for its server: only a port typed on this page stays.
        this.typed.delete("host");
        if (!this.portTypedHere) this.typed.delete("port");
        const port = this.typed.has("port") ? field("port").value : null;
        const offered = chosen.ports.find((each) => String(each.port) === port) ?? chosen.ports[0];
        this.set("host", this.hostFor(chosen));
        this.set("encryption", offered.encryption);
        if (port === null) this.set("port", String(offered.port));
        if (!chosen.needs_login) this.set("login", "none");
        else this.set("login", "password");
        if (chosen.fixed_username && !field("username").value) this.set("username", chosen.fixed_username);
        field("username").placeholder = chosen.username_example;
        this.proposeName(chosen.id.replaceAll("_", "-"));
        this.showConsent();
        this.showLogin();
        this.notice.textContent = sentence(this.words.filled, { provider: chosen.name });
    }

    hostFor(provider) {
        const domain = field("username").value.split("@").pop().toLowerCase();
        return provider.hosts.find((each) => covers(each.domains, domain))?.host ?? provider.host;
    }

    fillPort() {
        if (!this.typed.has("port")) {
            const encryption = field("encryption").value;
            const offered = this.chosen()?.ports.find((each) => each.encryption === encryption);
            this.set("port", String(offered ? offered.port : PORTS[encryption]));
        }
        this.showConsent();
    }

    proposeName(name) {
        if (field("slug").dataset.stored || this.typed.has("slug")) return;
        const taken = (field("slug").dataset.taken ?? "").toLowerCase().replaceAll("_", "-").split(" ");
        let [free, number] = [name, 1];
        while (taken.includes(free)) {
            number += 1;
            free = `${name}-${number}`;
        }
        this.set("slug", free);
    }

    proposeProvider() {
        const username = field("username").value.trim();
        const domain = username.includes("@") ? username.split("@").pop().toLowerCase() : "";
        const found = domain && this.providers.find((each) => covers(each.domains, domain));
        document.getElementById("mailsetup-proposal")?.remove();
        if (!found || this.provider.disabled || this.typed.has("host") || this.provider.value) return;
        const proposal = document.createElement("p");
        const button = document.createElement("button");
        proposal.id = "mailsetup-proposal";
        proposal.className = "mailsetup-box mailsetup-box-info";
        proposal.setAttribute("role", "status");
        button.type = "button";
        button.className = "button";
        button.textContent = this.words.use;
        button.addEventListener("click", () => {
            this.provider.value = found.id;
            this.provider.dispatchEvent(new Event("change", { bubbles: true }));
            proposal.remove();
            field("password").focus();
        });
        proposal.append(sentence(this.words.propose, { provider: found.name }), " ", button);
        row("username").append(proposal);
    }

    showPanel() {
        document.querySelectorAll("#mailsetup-provider-panels > section").forEach((panel) => {
            panel.hidden = panel.dataset.provider !== this.provider.value;
        });
    }

    /* The box that allows a readable password is in the way until it matters. */
    showConsent() {
        const needed =
            field("encryption").value === "none" &&
            field("login").value !== "none" &&
            !LOOPBACK.test(field("host").value.trim());
        const consent = row("allow_plaintext");
        const hasErrors = consent.querySelector(".errorlist") !== null;
        consent.hidden = !needed && !field("allow_plaintext").checked && !hasErrors;
    }

    showLogin() {
        const none = field("login").value === "none";
        ["username", "password"].forEach((name) => {
            row(name).hidden = none && !row(name).querySelector(".errorlist");
        });
    }

    takeBlanksOut() {
        const input = field("password");
        const provider = this.chosen();
        const letters = input.value.replace(/[\s\u180e\u200b-\u200d\u2060\ufeff]/g, "");
        const note = this.passwordNote();
        note.textContent = "";
        if (provider?.strip_blanks && letters !== input.value && /^[a-z]{16}$/i.test(letters)) {
            input.value = letters;
            note.textContent = this.words.blanks;
        }
    }

    passwordNote() {
        let note = document.getElementById("mailsetup-password-note");
        if (!note) {
            note = document.createElement("div");
            note.id = "mailsetup-password-note";
            // "help" puts it where this version of the admin has its help texts: under the field.
            note.className = "help mailsetup-live";
            note.setAttribute("role", "status");
            row("password").append(note);
        }
        return note;
    }

    /* Shows what is being typed; what is stored never reaches the page. */
    addReveal() {
        const input = field("password");
        if (input.disabled) return;
        const label = document.createElement("label");
        const box = document.createElement("input");
        label.className = "mailsetup-reveal";
        box.type = "checkbox";
        box.addEventListener("change", () => {
            input.type = box.checked ? "text" : "password";
        });
        input.form.addEventListener("submit", () => {
            input.type = "password";
        });
        label.append(box, " ", this.words.showPassword);
        input.after(label);
    }
}

function covers(domains, domain) {
    return domains.some((each) => (each.startsWith(".") ? domain.endsWith(each) : domain === each));
}

const data = document.getElementById("mailsetup-providers");
const words = document.getElementById("mailsetup-words");
if (data && words && field("provider") && field("host")) {
    new ProfileForm(JSON.parse(data.textContent), words.dataset);
}
