/*
 * What a page cannot do without a script: the live view, the progress of a verification, and keys. Rows come from the server
 * as HTML that it has escaped, as those of the page itself.
 */
"use strict";

const ROWS_MAX = 300; /* of the live view; older ones are taken off */
const WHILE_MS = 100;

function follow(live) {
    const body = live.querySelector("tbody");
    const status = live.querySelector("[role=status]");
    const pause = live.querySelector("[data-pause]");
    const show = live.querySelector("[data-held]");
    let arrived = [], held = [], passed = 0, isPaused = false;

    /* What somebody reads stays where it is: new rows wait while the top of the list is out of sight, or used. */
    const isRead = () => isPaused || live.getBoundingClientRect().top < 0 || body.contains(document.activeElement);

    function put(rows) {
        for (const row of rows) {
            row.className = "new";
            body.prepend(row);
        }
        while (body.rows.length > ROWS_MAX)
            body.lastElementChild.remove();
    }

    function hold(rows) {
        held.push(...rows);
        passed += Math.max(0, held.length - ROWS_MAX);
        held = held.slice(-ROWS_MAX);
        show.hidden = false;
        show.textContent = "Show " + (held.length + passed) + " new";
    }

    /* What came in a while, at once: looking where the list is, and changing it, are dear. */
    function takeArrived() {
        const template = document.createElement("template");
        template.innerHTML = arrived.join("");
        const rows = [...template.content.children];
        arrived = [];
        if (isRead() || held.length)
            hold(rows);
        else
            put(rows);
    }

    function showHeld() {
        put(held);
        held = [];
        passed = 0;
        show.hidden = true;
        live.scrollIntoView();
    }

    const stream = new EventSource(live.dataset.live);
    stream.onopen = () => {
        live.classList.add("on");
        status.textContent = isPaused ? "Paused." : "New events come as they are logged.";
    };
    stream.onerror = () => {
        live.classList.remove("on");
        status.textContent = stream.readyState === EventSource.CLOSED ? "Not connected. Reload the page to try again."
            : "Not connected; trying again.";
    };
    stream.onmessage = message => {
        if (!arrived.length)
            setTimeout(takeArrived, WHILE_MS);
        arrived.push(message.data);
    };
    stream.addEventListener("passed", message => {
        const range = JSON.parse(message.data);
        status.textContent = "More come than can be shown: seq " + range.first + " to " + range.last + " were passed over.";
    });
    show.addEventListener("click", showHeld);
    pause.hidden = false;
    pause.addEventListener("click", () => {
        isPaused = !isPaused;
        pause.setAttribute("aria-pressed", isPaused);
        pause.textContent = isPaused ? "Go on" : "Pause";
        status.textContent = isPaused ? "Paused." : "New events come as they are logged.";
        if (!isPaused && held.length)
            showHeld();
    });
}

function watch(verification) {
    const progress = verification.querySelector("progress");
    const status = verification.querySelector("[role=status]");
    const stream = new EventSource(verification.dataset.verify);
    let saidAt = 0;
    stream.addEventListener("progress", message => {
        const now = JSON.parse(message.data);
        progress.max = now.total || 1;
        progress.value = now.done;
        if (Date.now() - saidAt > 1000) { /* a screen reader reads each change */
            saidAt = Date.now();
            status.textContent = now.done.toLocaleString("en") + " of " + now.total.toLocaleString("en") +
                (now.findings ? ", " + now.findings + " found" : "");
        }
    });
    stream.addEventListener("ended", () => {
        stream.close();
        location.reload();
    });
}

/* "/" to the filter; j and k to the next and the previous page or event. */
function press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select"))
        return;
    const found = event.key === "/" ? document.querySelector(".filter input")
        : event.key === "j" ? document.querySelector("a[rel=next]")
        : event.key === "k" ? document.querySelector("a[rel=prev]") : null;
    if (!found)
        return;
    event.preventDefault();
    if (event.key === "/")
        found.select();
    else
        found.click();
}

document.querySelectorAll("[data-live]").forEach(follow);
document.querySelectorAll("[data-verify]").forEach(watch);
document.addEventListener("keydown", press);
/* Empty fields stay out of the address. */
document.querySelectorAll(".filter").forEach(form => form.addEventListener("submit", () => {
    for (const field of form.elements)
        if (field.name && !field.value)
            field.disabled = true;
}));
