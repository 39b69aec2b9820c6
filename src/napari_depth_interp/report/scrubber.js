"use strict";
for (const place of document.querySelectorAll(".scrubber")) {
  const data = JSON.parse(place.querySelector("script").textContent);
  const canvas = place.querySelector("canvas"), stage = place.querySelector(".stage");
  const divider = place.querySelector(".divider"), where = place.querySelector(".where");
  const slider = place.querySelector(".section"), choice = { left: null, right: null };
  const pictures = {}, { width, height } = data;
  let share = 0.5;
  for (const side of ["left", "right"]) choice[side] = place.querySelector(`select.${side}`);

  // The pixels of one section of truth or of a method, read from its tall picture.
  const pixels = (name, section) => {
    const scratch = document.createElement("canvas");
    scratch.width = width;
    scratch.height = height;
    const context = scratch.getContext("2d", { willReadFrequently: true });
    context.drawImage(pictures[name], 0, section * height, width, height, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  };

  const error = (name, section) => {
    const found = pixels(name, section), truth = pixels("truth", section), last = data.colours.length - 1;
    for (let i = 0; i < found.data.length; i += 4) {
      let sum = 0;
      for (let c = 0; c < 3; c++) sum += Math.abs(found.data[i + c] - truth.data[i + c]);
      const colour = data.colours[Math.min(last, Math.round((sum / 3 / data.limit) * last))];
      for (let c = 0; c < 3; c++) found.data[i + c] = colour[c];
    }
    return found;
  };

  const shown = (name, section) =>
    name.startsWith("error ") ? error(name.slice(6), section) : pixels(name, section);

  const draw = () => {
    const section = Number(slider.value), context = canvas.getContext("2d");
    const cut = Math.round(share * width);
    if (cut > 0) context.putImageData(shown(choice.left.value, section), 0, 0, 0, 0, cut, height);
    if (cut < width) context.putImageData(shown(choice.right.value, section), 0, 0, cut, 0, width - cut, height);
    divider.style.left = `${100 * share}%`;
    divider.setAttribute("aria-valuenow", Math.round(100 * share));
    for (const side of ["left", "right"]) {
      const chosen = choice[side].selectedOptions[0].textContent;
      place.querySelector(`.side.${side}`).textContent = chosen;
    }
    const scores = Object.entries(data.scores[section]).map(([name, words]) => `${name} ${words}`);
    where.textContent = [data.sections[section], ...scores].join("; ");
  };

  const move = (event) => {
    const box = stage.getBoundingClientRect();
    share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    draw();
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    divider.focus({ preventScroll: true });
    event.preventDefault();
    move(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) move(event);
  });
  stage.addEventListener("wheel", (event) => {
    if (!event.shiftKey) return; // the page scrolls otherwise
    event.preventDefault();
    slider.value = Number(slider.value) + Math.sign(event.deltaY || event.deltaX);
    draw();
  });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    share = Math.min(1, Math.max(0, share + step));
    draw();
  });
  slider.addEventListener("input", draw);
  choice.left.addEventListener("change", draw);
  choice.right.addEventListener("change", draw);

  const loads = Object.entries(data.pictures).map(([name, address]) => {
    pictures[name] = new Image();
    pictures[name].src = address;
    return pictures[name].decode();
  });
  Promise.all(loads).then(() => {
    draw();
    place.dataset.ready = "yes";
  });
}
