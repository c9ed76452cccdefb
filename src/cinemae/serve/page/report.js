// The report: one HTML file that needs nothing else, made here in the browser.
//
// It is built of elements and written out by the browser's own serialiser, so whatever a file is called stays text.
// Its own Content-Security-Policy allows no script and no address, should that ever fail.

import { make } from './dom.js';
import { conclusionLine, evidencePanel } from './evidence.js';
import { scene } from './pictures.js';
import { explanation, factList, legend, verdictLine } from './scale.js';
import { frameWords } from './words.js';

const SIDE = 960; // pixels of the longer side of its pictures
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

// Asked for with the page, so that a report needs no server. (The browser's own cssRules lose shorthands with var().)
const style = fetch('page.css').then((answer) => answer.text());

/** A file name without folder, ending and what a file system may not like. */
export function fileStem(name) {
  const plain = name
    .split(/[\\/]/)
    .pop()
    .replace(/\.[^.]*$/, '')
    .replace(/[^\p{L}\p{N}_.-]+/gu, '_')
    .replace(/^[._-]+|[._-]+$/g, '');
  return plain.slice(0, 80) || 'picture';
}

/** Returns the report of a scored entry as HTML text; `numbers` is what "Download JSON" saves. */
export async function reportOf(entry, numbers) {
  const { verdict, map } = entry.result;
  const rules = await style;
  const page = document.implementation.createHTMLDocument(`cinemae: ${entry.name}`);
  page.documentElement.lang = 'en';
  page.head.prepend(
    make('meta', { charset: 'utf-8' }),
    make('meta', { 'http-equiv': 'Content-Security-Policy', content: POLICY }),
  );
  page.head.append(
    make('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    make('meta', { name: 'color-scheme', content: 'light dark' }),
  );
  const frames = frameWords(verdict);
  const now = new Date();
  const main = make(
    'main',
    { class: 'report' },
    make('p', { class: 'brand' }, 'cinemae report'),
    make('h1', {}, entry.name),
    make(
      'p',
      { class: 'small' },
      'Made on ',
      make('time', { datetime: now.toISOString() }, `${now.toISOString().slice(0, 16).replace('T', ' ')} UTC`),
    ),
    verdictLine(verdict),
    explanation(verdict),
    conclusionLine(verdict),
  );
  if (frames) main.append(make('p', {}, frames));
  main.append(await figures(entry));
  if (map) main.append(legend(map).element);
  const said = evidencePanel(verdict);
  if (said) main.append(said);
  main.append(
    make('h2', {}, 'Facts'),
    factList(verdict),
    limits(),
    make('details', {}, make('summary', {}, 'All numbers (JSON)'), make('pre', {}, JSON.stringify(numbers, null, 1))),
  );
  page.body.append(main);
  // The page's own policy forbids a <style> element even in a document that is never shown, so it comes in as text.
  const text = page.documentElement.outerHTML.replace('</head>', () => `<style>\n${rules}</style></head>`);
  return `<!doctype html>\n${text}\n`;
}

async function figures(entry) {
  const found = await scene(entry, SIDE);
  if (!found) return make('p', {}, 'The browser that made this report could not show the picture.');
  const { canvas, whole, place } = found;
  const row = make('div', { class: 'report-pictures' });
  row.append(figure(canvas, whole ? 'The picture, reduced' : 'The part that was scored, reduced'));
  if (entry.result.map) {
    row.append(
      figure(await withMap(canvas, place, entry.result.map), 'With its map; the frame is the part that was scored'),
    );
  }
  return row;
}

async function withMap(canvas, [left, top, width, height], map) {
  const tint = make('img', { src: `data:image/png;base64,${map.png}` });
  await tint.decode();
  const copy = make('canvas', { width: canvas.width, height: canvas.height });
  const pen = copy.getContext('2d');
  const box = [left * copy.width, top * copy.height, width * copy.width, height * copy.height];
  pen.drawImage(canvas, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.globalAlpha = 0.75;
  pen.drawImage(tint, ...box);
  pen.globalAlpha = 1;
  pen.strokeStyle = '#ebebeb';
  pen.lineWidth = 2;
  pen.strokeRect(...box);
  return copy;
}

function figure(canvas, caption) {
  const shown = make('img', { src: canvas.toDataURL('image/jpeg', 0.88), alt: caption });
  return make('figure', {}, shown, make('figcaption', {}, caption));
}

/** The page's own section on limits, as it stands. */
function limits() {
  return document.getElementById('limits').cloneNode(true);
}
