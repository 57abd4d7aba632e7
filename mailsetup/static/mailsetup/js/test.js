/* The test page: the button shows that it works, and the conversation can be copied. */

const row = document.getElementById("mailsetup-test");
if (row) {
    // Skins of the admin may put the buttons elsewhere.
    const form = row.querySelector("input[type=submit]").form;
    const status = row.querySelector(".mailsetup-busy");
    form.addEventListener("submit", (event) => {
        if (form.getAttribute("aria-busy") === "true") {
            event.preventDefault();
            return;
        }
        form.setAttribute("aria-busy", "true");
        status.textContent = row.dataset.busy;
        // After the form's data is put together: a disabled button's name would be missing.
        setTimeout(() => {
            row.querySelectorAll("input[type=submit]").forEach((button) => {
                button.disabled = true;
            });
        }, 0);
    });
    // Coming back by the browser's history shows the page as it was left.
    window.addEventListener("pageshow", () => {
        form.removeAttribute("aria-busy");
        status.textContent = "";
        row.querySelectorAll("input[type=submit]").forEach((button) => {
            button.disabled = false;
        });
    });
}

document.querySelectorAll(".mailsetup-copy").forEach((button) => {
    const status = button.parentElement.querySelector(".mailsetup-copied");
    const text = document.getElementById(button.dataset.copies);
    button.hidden = false;
    button.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(text.textContent);
        } catch {
            // Without HTTPS there is no clipboard: select it, for the keys to copy.
            getSelection().selectAllChildren(text);
            document.execCommand("copy");
        }
        status.textContent = button.dataset.copied;
    });
});

// A result is what the page was opened for: readers of the screen begin there.
document.querySelector("[data-mailsetup-result]")?.focus();
