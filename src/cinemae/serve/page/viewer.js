// The picture under its map: three ways to look at it, an opacity slider, and each patch's numbers.

import { freshId, make } from './dom.js';
import { png, scene } from './pictures.js';
import { legend } from './scale.js';
import { patchWords } from './words.js';

const SIDE = 1280; // pixels of the longer side on the page; files may be far larger
const SMALLEST = 640; // of the same on the screen, where there is room for it
const OPACITY = 75; // per cent, at the start

const HINT = 'Point at a patch, touch it, or go through them with the arrow keys.';
const MODES = { map: 'Map', plain: 'Plain', pair: 'Reconstruction' };

/** Builds the viewer of a scored entry; it fills when the picture is decoded. */
export function viewer(entry) {
  const { map, reconstruction } = entry.result;
  const stage = make('div', { class: 'stage', 'aria-busy': 'true' });
  const root = make('div', { class: 'viewer' });
  const pair = reconstruction && sideBySide(reconstruction);
  const patches = map && patchGrid(map);
  const tint = map && png(map.png, '');
  const modes = Object.keys(MODES).filter((mode) => (mode !== 'map' || map) && (mode !== 'pair' || pair));
  root.append(
    modeSwitch(modes, (mode) => root.setAttribute('data-mode', mode)),
    stage,
  );
  if (pair) root.append(pair);
  root.setAttribute('data-mode', modes[0]);
  if (map) {
    tint.className = 'tint';
    root.append(make('div', { class: 'map-tools' }, patches.readout, opacity(tint), patches.legend));
  }
  fill(stage, entry, tint, patches);
  return root;
}

async function fill(stage, entry, tint, patches) {
  const found = await scene(entry, SIDE);
  stage.removeAttribute('aria-busy');
  if (!found) {
    stage.append(make('p', { class: 'nothing' }, "Your browser can't show this kind of picture."));
    return;
  }
  const { canvas, whole, place } = found;
  const words = whole ? entry.name : `${entry.name}, the part that was scored`;
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', words);
  canvas.className = 'picture';
  const enlarge = SMALLEST / Math.max(canvas.width, canvas.height);
  if (enlarge > 1) canvas.style.width = `${Math.round(canvas.width * enlarge)}px`; // its patches could not be hit
  stage.append(canvas);
  if (!whole) {
    const why = "Your browser can't show this file as it was scored; this is the part that the model saw, reduced.";
    stage.after(make('p', { class: 'small' }, why));
  }
  for (const layer of tint ? [tint, patches.grid] : []) {
    const [left, top, width, height] = place.map((share) => `${share * 100}%`);
    Object.assign(layer.style, { left, top, width, height });
    stage.append(layer);
  }
}

function modeSwitch(modes, choose) {
  const name = freshId('mode');
  const options = modes.map((mode, number) =>
    make(
      'label',
      {},
      make('input', { type: 'radio', name, value: mode, checked: number === 0, onchange: () => choose(mode) }),
      make('span', {}, MODES[mode]),
    ),
  );
  return make('fieldset', { class: 'segments' }, make('legend', { class: 'unseen' }, 'Show'), ...options);
}

function opacity(tint) {
  const id = freshId('opacity');
  const shown = make('output', { for: id }, `${OPACITY} %`);
  const set = (value) => {
    tint.style.opacity = value / 100;
    shown.textContent = `${value} %`;
  };
  set(OPACITY);
  const slider = make('input', {
    type: 'range',
    id,
    min: 0,
    max: 100,
    step: 5,
    value: OPACITY,
    oninput: (event) => set(event.target.value),
  });
  return make('div', { class: 'opacity' }, make('label', { for: id }, "Map's opacity"), slider, shown);
}

/** One cell a patch: what is pointed at or has the focus is read out, on screen and by a screen reader. */
function patchGrid(map) {
  const scale = legend(map);
  const readout = make('p', { class: 'readout' }, HINT);
  const label = `Map of ${map.rows} by ${map.cols} patches; arrow keys go from patch to patch`;
  const grid = make('div', { class: 'patches', role: 'grid', 'aria-label': label });
  const cells = map.gap.map((line, row) =>
    line.map((_, column) =>
      make('div', {
        role: 'gridcell',
        tabindex: -1,
        'aria-label': patchWords(map, row, column),
        'data-at': `${row} ${column}`,
      }),
    ),
  );
  grid.append(...cells.map((line) => make('div', { role: 'row' }, ...line)));
  let chosen = null;
  const choose = (cell) => {
    chosen?.classList.remove('chosen');
    chosen = cell;
    chosen?.classList.add('chosen');
    const [row, column] = cell ? cell.getAttribute('data-at').split(' ').map(Number) : [];
    readout.textContent = cell ? patchWords(map, row, column) : HINT;
    scale.point(cell ? map.gap[row][column] : null);
  };
  let stop = cells[Math.floor(map.rows / 2)][Math.floor(map.cols / 2)]; // where Tab enters
  stop.tabIndex = 0;
  const cellOf = (event) => event.target.closest('[role=gridcell]');
  grid.addEventListener('pointerover', (event) => cellOf(event) && choose(cellOf(event)));
  grid.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && choose(null));
  grid.addEventListener('focusin', (event) => {
    stop.tabIndex = -1;
    stop = cellOf(event);
    stop.tabIndex = 0;
    choose(stop);
  });
  grid.addEventListener('focusout', () => choose(null));
  grid.addEventListener('keydown', (event) => {
    const to = neighbour(map, cellOf(event).getAttribute('data-at').split(' ').map(Number), event);
    if (!to) return;
    event.preventDefault();
    cells[to[0]][to[1]].focus({ preventScroll: true });
  });
  return { grid, readout, legend: scale.element };
}

function neighbour(map, [row, column], event) {
  const ends = { Home: [event.ctrlKey ? 0 : row, 0], End: [event.ctrlKey ? map.rows - 1 : row, map.cols - 1] };
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (event.altKey || event.metaKey) return null;
  if (ends[event.key]) return ends[event.key];
  if (!steps[event.key]) return null;
  const inside = (value, count) => Math.min(Math.max(value, 0), count - 1);
  return [inside(row + steps[event.key][0], map.rows), inside(column + steps[event.key][1], map.cols)];
}

function sideBySide(reconstruction) {
  const figure = (data, alt, caption) => make('figure', {}, png(data, alt), make('figcaption', {}, caption));
  return make(
    'div',
    { class: 'pair' },
    figure(reconstruction.view, 'The part of the picture that was scored', 'What the model saw'),
    figure(reconstruction.predicted, 'The same part as predicted', 'What it predicted, patch by patch, from the rest'),
    make(
      'p',
      { class: 'small' },
      'The prediction is coarse for every picture, real ones too; a blur is no sign of anything.',
    ),
  );
}
