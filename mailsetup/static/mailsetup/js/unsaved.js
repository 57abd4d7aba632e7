/* Warns before a page is left whose values were changed and not saved. */

const form = document.getElementById("smtpprofile_form");
if (form && document.getElementById("mailsetup-words")) {
    let changed = document.querySelector("[data-mailsetup-unsaved]") !== null;
    const mark = () => {
        changed = true;
    };
    form.addEventListener("input", mark);
    form.addEventListener("change", mark);
    form.addEventListener("submit", () => {
        changed = false;
    });
    window.addEventListener("beforeunload", (event) => {
        if (changed) event.preventDefault();
    });
}
