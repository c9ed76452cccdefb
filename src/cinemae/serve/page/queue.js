// Scores entries a few at a time, in the order in which they came.

import { Problem, detect } from './api.js';

const AT_ONCE = 3;

/** A picture on its way: `state` is queued, scoring, waiting, locked, done or failed. */
export class Entry {
  constructor(file) {
    this.file = file;
    this.name = file.name || 'picture';
    this.state = 'queued';
    this.result = null;
    this.problem = null; // text, if failed
    this.again = false; // a failure that may pass
    this.until = 0; // when a wait ends, on the clock of performance.now()
    this.stop = new AbortController();
  }

  get ended() {
    return this.state === 'done' || this.state === 'failed';
  }
}

/** The line of entries; `changed(entry)` is called at each step, `locked(problem)` when a key is needed. */
export class Queue {
  constructor(changed, locked) {
    this.changed = changed;
    this.locked = locked;
    this.line = [];
    this.running = 0;
    this.held = false;
  }

  add(entry) {
    this.step(entry, 'queued');
    this.line.push(entry);
    this.next();
  }

  /** Takes an entry out, whatever it is doing. */
  drop(entry) {
    this.line = this.line.filter((other) => other !== entry);
    entry.stop.abort();
  }

  /** Goes on after a key was given. */
  release() {
    this.held = false;
    for (const entry of this.line) this.step(entry, 'queued');
    this.next();
  }

  next() {
    while (!this.held && this.running < AT_ONCE && this.line.length) this.run(this.line.shift());
  }

  async run(entry) {
    this.running += 1;
    try {
      entry.result = await detect(
        entry.file,
        entry.stop.signal,
        (seconds) => {
          entry.until = performance.now() + seconds * 1000;
          this.step(entry, 'waiting');
        },
        () => this.step(entry, 'scoring'),
      );
      this.step(entry, 'done');
    } catch (error) {
      if (error.name === 'AbortError') return; // it was removed
      if (error.locked) this.hold(entry, error);
      else this.fail(entry, error);
    } finally {
      this.running -= 1;
      this.next();
    }
  }

  fail(entry, error) {
    const known = error instanceof Problem;
    if (!known) console.error(error);
    entry.problem = known ? error.message : `This page made a mistake: ${error.message}`;
    entry.again = !known || error.again;
    this.step(entry, 'failed');
  }

  hold(entry, problem) {
    this.held = true;
    this.line.unshift(entry);
    for (const other of this.line) this.step(other, 'locked');
    this.locked(problem);
  }

  step(entry, state) {
    entry.state = state;
    this.changed(entry);
  }
}
