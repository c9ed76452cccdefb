// One picture of the list: a line with its verdict, and behind "Details" all that is known of it.

import { freshId, icon, make, save } from './dom.js';
import { conclusionLine, evidencePanel } from './evidence.js';
import { drawFile } from './pictures.js';
import { fileStem, reportOf } from './report.js';
import { explanation, factList, probabilityScale, verdictLine } from './scale.js';
import { viewer } from './viewer.js';
import { frameWords } from './words.js';

const THUMBNAIL = 144; // pixels, twice its size on the page
const WORDS = {
  queued: 'Waiting in line',
  scoring: 'Scoring …',
  locked: 'Waiting for a key',
};

/** What is saved of a result: the server's numbers, without the pictures. */
export function numbersOf(entry) {
  const { verdict, map } = entry.result;
  if (!map) return { verdict, map: null };
  const { png, ...numbers } = map;
  return { verdict, map: numbers };
}

/** The card of an entry; `remove` and `again` are called when its buttons are pressed. */
export class Card {
  constructor(entry, { remove, again }) {
    this.entry = entry;
    this.again = again;
    this.title = make('h3', { id: freshId('name'), tabindex: -1 }, entry.name);
    this.status = make('div', { class: 'status' });
    this.picture = make('div', { class: 'thumbnail', 'aria-hidden': 'true' }, make('span', {}, kindOf(entry.name)));
    this.body = make('div', { class: 'card-body', id: freshId('details'), hidden: true });
    this.more = make(
      'button',
      {
        type: 'button',
        class: 'button quiet more',
        'aria-expanded': 'false',
        'aria-controls': this.body.id,
        'aria-label': `Details of ${entry.name}`,
        hidden: true,
        onclick: () => this.open(this.body.hidden),
      },
      make('span', {}, 'Details'),
      icon('chevron'),
    );
    const off = make(
      'button',
      { type: 'button', class: 'button quiet square off', 'aria-label': `Remove ${entry.name}`, onclick: remove },
      icon('cross'),
    );
    const head = make(
      'div',
      { class: 'card-head' },
      this.picture,
      make('div', { class: 'card-words' }, this.title, this.status),
    );
    head.append(this.more, off);
    this.element = make('li', { class: 'card', 'aria-labelledby': this.title.id }, head, this.body);
    this.timer = null;
    this.thumbnail();
    this.update();
  }

  async thumbnail() {
    const canvas = await drawFile(this.entry.file, THUMBNAIL);
    if (canvas) this.picture.replaceChildren(canvas);
  }

  /** Shows the entry's state. */
  update() {
    const { entry } = this;
    clearInterval(this.timer);
    this.element.setAttribute('data-state', entry.state);
    this.more.hidden = entry.state !== 'done';
    if (entry.state === 'done') this.status.replaceChildren(...this.outcome());
    else if (entry.state === 'failed') this.status.replaceChildren(...this.failure());
    else if (entry.state === 'waiting') this.countDown();
    else this.status.replaceChildren(stateLine(WORDS[entry.state], entry.state));
  }

  outcome() {
    const { verdict } = this.entry.result;
    const frames = frameWords(verdict);
    const rows = [
      verdictLine(verdict),
      probabilityScale(verdict),
      frames && make('p', { class: 'small' }, frames),
      conclusionLine(verdict),
    ];
    return rows.filter((row) => row !== null);
  }

  failure() {
    const again = make('button', { type: 'button', class: 'button', onclick: this.again }, 'Try again');
    return [
      make('p', { class: 'verdict failed' }, icon('failed'), 'Not scored'),
      make('p', { class: 'problem' }, this.entry.problem),
      ...(this.entry.again ? [make('p', {}, again)] : []),
    ];
  }

  countDown() {
    const line = stateLine('', 'waiting');
    const tick = () => {
      const left = Math.max(0, Math.ceil((this.entry.until - performance.now()) / 1000));
      line.lastChild.textContent = `The server is busy: waiting, next try in ${left} s`;
    };
    tick();
    this.timer = setInterval(tick, 500);
    this.status.replaceChildren(line);
  }

  /** Opens or closes the details, which are built when they are first needed. */
  open(wanted) {
    if (wanted && !this.body.hasChildNodes()) this.body.append(...this.details());
    this.body.hidden = !wanted;
    this.more.setAttribute('aria-expanded', String(wanted));
  }

  details() {
    const { verdict } = this.entry.result;
    const text = make(
      'div',
      { class: 'card-text' },
      make('h4', {}, 'What it means'),
      explanation(verdict),
      make('p', { class: 'small' }, make('a', { href: '#limits' }, 'What a verdict is worth')),
      evidencePanel(verdict),
      make('h4', {}, 'Facts'),
      factList(verdict),
    );
    const actions = make(
      'div',
      { class: 'actions' },
      make(
        'button',
        { type: 'button', class: 'button', onclick: (event) => this.saveReport(event.currentTarget) },
        'Download report',
      ),
      make('button', { type: 'button', class: 'button', onclick: () => this.saveNumbers() }, 'Download JSON'),
    );
    return [make('div', { class: 'card-look' }, viewer(this.entry), actions), text];
  }

  saveNumbers() {
    const text = JSON.stringify(numbersOf(this.entry), null, 1);
    save(text, `${fileStem(this.entry.name)}.cinemae.json`, 'application/json');
  }

  async saveReport(button) {
    button.disabled = true; // a large picture takes a moment
    try {
      const text = await reportOf(this.entry, numbersOf(this.entry));
      save(text, `${fileStem(this.entry.name)}.cinemae.html`, 'text/html');
    } finally {
      button.disabled = false;
      button.focus();
    }
  }

  /** Ends what runs by the clock. */
  end() {
    clearInterval(this.timer);
  }
}

function stateLine(words, state) {
  return make('p', { class: `state ${state}` }, icon('waiting'), make('span', {}, words));
}

/** The ending of a file's name, for a placeholder. */
function kindOf(name) {
  const found = /\.([a-z0-9]{1,5})$/i.exec(name);
  return found ? found[1].toUpperCase() : '?';
}
