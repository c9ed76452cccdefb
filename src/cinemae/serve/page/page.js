// The page: files come in, cards come out.

import { askModel, hasKey, useKey } from './api.js';
import { Card, numbersOf } from './card.js';
import { save } from './dom.js';
import { Entry, Queue } from './queue.js';
import { startTheme } from './theme.js';
import { announcement, percent, shortSize } from './words.js';

const get = (id) => document.getElementById(id);
const ENVELOPE = 1024; // bytes around a file in a request, with room to spare
const cards = new Map(); // entry -> card, in the order of the list
let most = Infinity; // bytes of a file that the server takes
let news = [];

const queue = new Queue(changed, askForKey);

function add(files) {
  const alone = cards.size === 0 && files.length === 1;
  for (const file of files) {
    const entry = new Entry(file);
    const card = new Card(entry, { remove: () => remove(entry), again: () => queue.add(entry) });
    card.opensItself = alone;
    cards.set(entry, card);
    get('cards').append(card.element);
    if (file.size <= most) queue.add(entry);
    else fail(entry, `${entry.name} has ${shortSize(file.size)}; this server takes at most ${shortSize(most)}.`);
  }
  summarise();
}

function fail(entry, problem) {
  entry.problem = problem;
  entry.state = 'failed';
  changed(entry);
}

function changed(entry) {
  const card = cards.get(entry);
  if (!card) return; // removed while it was on its way
  card.update();
  if (entry.ended) tell(announcement(entry.name, entry));
  if (entry.state === 'done' && card.opensItself) card.open(true);
  summarise();
}

function remove(entry) {
  const card = cards.get(entry);
  const beside = card.element.nextElementSibling ?? card.element.previousElementSibling;
  queue.drop(entry);
  card.end();
  card.element.remove();
  cards.delete(entry);
  tell(`${entry.name} removed.`);
  summarise();
  (beside?.querySelector('h3') ?? get('pick')).focus(); // or a keyboard would start at the top of the page again
}

function clear() {
  for (const [entry, card] of cards) {
    queue.drop(entry);
    card.end();
  }
  cards.clear();
  get('cards').replaceChildren();
  tell('All pictures removed.');
  summarise();
  get('pick').focus();
}

/** Reads out what happened, at most once a second, so that many results are one message. */
function tell(message) {
  if (!news.length) {
    setTimeout(() => {
      get('live').textContent =
        news.length > 4 ? `${news.length} pictures done. ${get('tally').textContent}` : news.join(' ');
      news = [];
    }, 1000);
  }
  news.push(message);
}

function summarise() {
  const entries = [...cards.keys()];
  const ended = entries.filter((entry) => entry.ended).length;
  const count = (label) =>
    entries.filter((entry) => (entry.state === 'failed' ? 'failed' : entry.result?.verdict.verdict) === label).length;
  const parts = [
    [count('ai'), 'AI-generated'],
    [count('real'), 'real'],
    [count('inconclusive'), 'inconclusive'],
    [count('failed'), 'not scored'],
    [entries.length - ended, 'to come'],
  ].filter(([number]) => number > 0);
  get('results').hidden = entries.length === 0;
  document.body.classList.toggle('has-pictures', entries.length > 0); // makes the drop zone small
  get('tally').textContent = parts.map(([number, words]) => `${number} ${words}`).join(', ');
  get('progress').hidden = ended === entries.length;
  get('progress').max = Math.max(entries.length, 1);
  get('progress').value = ended;
  get('save-all').disabled = !entries.some((entry) => entry.state === 'done');
}

function saveAll() {
  const done = [...cards.keys()].filter((entry) => entry.state === 'done');
  save(JSON.stringify(done.map(numbersOf), null, 1), 'cinemae.json', 'application/json');
}

function askForKey(problem) {
  const again = hasKey() ? 'This key was not accepted. ' : '';
  get('key-why').textContent = again + problem.message;
  get('key').hidden = false;
  get('key-text').value = '';
  get('key-text').focus();
}

async function showModel() {
  const shown = get('model');
  try {
    const model = await askModel();
    most = model.limits.body_bytes - ENVELOPE;
    get('most').textContent = `, at most ${shortSize(most)} each`;
    shown.textContent = `Model ${model.fingerprint}, precision ${model.precision}, cinemae ${model.version}`;
    if (model.threshold !== null) shown.textContent += `; threshold ${percent(model.threshold)}`;
  } catch (problem) {
    shown.textContent = `Model: not known. ${problem.message}`;
    if (problem.locked) askForKey(problem);
  }
}

function listen() {
  get('pick').addEventListener('change', (event) => {
    add([...event.target.files]);
    event.target.value = ''; // the same file may be chosen again
  });
  document.addEventListener('paste', (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      add([...event.clipboardData.files]);
    }
  });
  let depth = 0; // dragenter and dragleave come for every element on the way
  const lit = () => document.body.classList.toggle('dragging', depth > 0);
  const withFiles = (event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragenter', (event) => {
    depth += withFiles(event) ? 1 : 0;
    lit();
  });
  document.addEventListener('dragleave', (event) => {
    depth = Math.max(0, depth - (withFiles(event) ? 1 : 0));
    lit();
  });
  document.addEventListener('dragover', (event) => withFiles(event) && event.preventDefault());
  document.addEventListener('drop', (event) => {
    depth = 0;
    lit();
    if (!withFiles(event)) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
  get('save-all').addEventListener('click', saveAll);
  get('clear').addEventListener('click', clear);
  get('key').addEventListener('submit', (event) => {
    event.preventDefault();
    useKey(get('key-text').value);
    get('key').hidden = true;
    get('pick').focus();
    queue.release();
    showModel();
  });
}

startTheme();
listen();
showModel();
