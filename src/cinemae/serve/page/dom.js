// Elements are made here and nowhere else: text goes in as text, never as markup, so a file name stays a name.

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  ai: [['path', { d: 'M12 1.5 22.5 12 12 22.5 1.5 12Z', fill: 'currentColor' }]],
  real: [
    ['circle', { cx: 12, cy: 12, r: 8.75, fill: 'none', stroke: 'currentColor', 'stroke-width': 3.5 }],
    ['circle', { cx: 12, cy: 12, r: 3, fill: 'currentColor' }],
  ],
  inconclusive: [
    ['rect', { x: 3, y: 3, width: 18, height: 18, fill: 'none', stroke: 'currentColor', 'stroke-width': 2.5 }],
    ['path', { d: 'M3 3H21L3 21Z', fill: 'currentColor' }],
  ],
  failed: [['path', { d: 'M5 5 19 19M19 5 5 19', stroke: 'currentColor', 'stroke-width': 3.5, fill: 'none' }]],
  waiting: [
    ['circle', { cx: 12, cy: 12, r: 9, fill: 'none', stroke: 'currentColor', 'stroke-width': 2.5 }],
    ['path', { d: 'M12 6.5V12l4 2.5', stroke: 'currentColor', 'stroke-width': 2.5, fill: 'none' }],
  ],
  chevron: [['path', { d: 'm6 9 6 6 6-6', stroke: 'currentColor', 'stroke-width': 2.5, fill: 'none' }]],
  cross: [['path', { d: 'M6 6 18 18M18 6 6 18', stroke: 'currentColor', 'stroke-width': 2, fill: 'none' }]],
};

/** Makes an element: functions become listeners, true an empty attribute, null and false nothing. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Draws one of the page's signs; it says nothing to a screen reader, the words beside it do. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, 'svg');
  drawing.setAttribute('viewBox', '0 0 24 24');
  drawing.setAttribute('class', `icon icon-${name}`);
  drawing.setAttribute('aria-hidden', 'true');
  for (const [tag, attributes] of ICONS[name]) {
    const part = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    drawing.append(part);
  }
  return drawing;
}

let count = 0;

/** Returns an id that no other element has. */
export function freshId(stem) {
  count += 1;
  return `${stem}-${count}`;
}

/** Hands the browser a file to save. */
export function save(text, name, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
