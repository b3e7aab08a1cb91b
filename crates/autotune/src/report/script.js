// What the page gains with a script: tooltips that follow the mouse, and one layer at a time. Without it, figures have
// their titles and all layers stand one after the other.
(function () {
  "use strict";
  var root = document.documentElement;

  var tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");
  document.body.appendChild(tip);
  document.querySelectorAll("svg.chart title").forEach(function (title) {
    title.parentNode.setAttribute("data-tip", title.textContent);
    title.remove();
  });
  function marked(event) {
    return event.target instanceof Element ? event.target.closest("[data-tip]") : null;
  }
  document.addEventListener("mouseover", function (event) {
    var mark = marked(event);
    tip.hidden = mark === null;
    if (mark !== null) {
      tip.textContent = mark.getAttribute("data-tip");
    }
  });
  document.addEventListener("mousemove", function (event) {
    if (tip.hidden) {
      return;
    }
    var right = window.scrollX + root.clientWidth - tip.offsetWidth - 8;
    var above = event.pageY - tip.offsetHeight - 14;
    tip.style.left = Math.max(8, Math.min(event.pageX + 14, right)) + "px";
    tip.style.top = (above > window.scrollY ? above : event.pageY + 18) + "px";
  });

  document.querySelectorAll(".layers").forEach(function (box) {
    var layers = Array.from(box.querySelectorAll(".layer"));
    if (layers.length === 0) {
      return;
    }
    var picker = document.createElement("p");
    picker.className = "picker";
    var select = document.createElement("select");
    select.setAttribute("aria-label", "Layer");
    layers.forEach(function (layer, k) {
      var option = document.createElement("option");
      option.value = String(k);
      option.textContent = k + 1 + ". " + layer.dataset.name;
      select.appendChild(option);
    });
    function show(k) {
      layers.forEach(function (layer, other) {
        layer.hidden = other !== k;
      });
      select.value = String(k);
    }
    function button(text, label, step) {
      var made = document.createElement("button");
      made.type = "button";
      made.textContent = text;
      made.setAttribute("aria-label", label);
      made.addEventListener("click", function () {
        show((Number(select.value) + step + layers.length) % layers.length);
      });
      return made;
    }
    select.addEventListener("change", function () {
      show(Number(select.value));
    });
    picker.append(button("‹", "Previous layer", -1), select, button("›", "Next layer", 1));
    box.insertBefore(picker, box.firstChild);
    show(0);
    box.addEventListener("show-layer", function (event) {
      show(layers.indexOf(event.detail));
    });
  });

  // Links to a layer choose it first: what is hidden cannot be scrolled to.
  function follow() {
    var layer = document.getElementById(location.hash.slice(1));
    if (layer === null || !layer.classList.contains("layer")) {
      return;
    }
    layer.closest("details").open = true;
    layer.parentNode.dispatchEvent(new CustomEvent("show-layer", { detail: layer }));
    layer.scrollIntoView();
  }
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", function (event) {
    var link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link !== null) {
      window.setTimeout(follow, 0);
    }
  });
  follow();
  root.classList.add("scripted");
})();
