// The server's API, as the page uses it. The key lives in this module's memory and nowhere else.

const BUSY = new Set([429, 503]);
const LOCKED = new Set([401, 403]);
const PASSING = new Set([408, 429]); // and all of the server's own: it may work later
const TRIES = 30;
const LONGEST = 120; // seconds: a server that asks for more is not waited for
let key = null;

/** An answer that is no verdict. */
export class Problem extends Error {
  constructor(detail, { locked = false, again = false } = {}) {
    super(detail);
    this.locked = locked; // a key is needed, or another one
    this.again = again; // it may work later
  }
}

/** Use this key from now on. */
export function useKey(text) {
  key = text;
}

/** Whether a key was given. */
export function hasKey() {
  return key !== null;
}

/** Asks what the server runs and what it accepts. */
export async function askModel() {
  const response = await send('v1/model', {});
  if (!response.ok) throw await problemOf(response);
  return bodyOf(response);
}

/**
 * Scores one file and returns its result: {verdict, map, reconstruction}.
 *
 * While the server is busy, `waits(seconds)` is called and the request is made again after that time.
 * Throws a Problem, or an AbortError when the signal says so.
 */
export async function detect(file, signal, waits, scores) {
  for (let tried = 1; ; tried += 1) {
    scores();
    const body = new FormData();
    body.append('file', file, file.name);
    const response = await send('v1/detect?map=true&reconstruction=true', { method: 'POST', body, signal });
    const seconds = BUSY.has(response.status) ? secondsToWait(response) : 0;
    if (seconds && tried < TRIES && seconds <= LONGEST) {
      await response.body?.cancel();
      waits(seconds);
      await pause(seconds, signal);
    } else {
      return resultOf(response);
    }
  }
}

async function send(path, options) {
  const headers = key === null ? {} : { Authorization: `Bearer ${key}` };
  try {
    return await fetch(path, { ...options, headers, cache: 'no-store', credentials: 'same-origin' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem("No answer. Either the server is away, or it closed the connection, or the file can't be read.", {
      again: true,
    });
  }
}

async function resultOf(response) {
  if (!response.ok) throw await problemOf(response);
  const [result] = (await bodyOf(response)).results;
  if (result.problem) throw new Problem(result.problem.detail);
  return result;
}

async function bodyOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The answer broke off before its end.', { again: true });
  }
}

async function problemOf(response) {
  const kind = response.headers.get('Content-Type') ?? '';
  const problem = kind.includes('json') ? await bodyOf(response) : {};
  const detail = problem.detail ?? problem.title ?? `The server answered ${response.status} ${response.statusText}.`;
  const text = typeof detail === 'string' ? detail : JSON.stringify(detail);
  const again = response.status >= 500 || PASSING.has(response.status);
  return new Problem(text, { locked: LOCKED.has(response.status), again });
}

/** Retry-After holds seconds or a date; a little is added by chance, so that those who wait don't come back at once. */
function secondsToWait(response) {
  const given = response.headers.get('Retry-After') ?? '2';
  const seconds = /^\d+$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1000;
  return Math.max(Number.isFinite(seconds) ? seconds : 2, 0.2) + Math.random() / 2;
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('removed', 'AbortError'));
    });
  });
}
