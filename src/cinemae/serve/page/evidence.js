// What the file says of itself, beside what its pixels look like: the conclusion and a panel of findings.
//
// All of it is text out of a file that may be hostile. It goes in as text, never as markup; the server has already
// written control characters and bidi overrides as escapes.

import { freshId, icon, make } from './dom.js';

const STRENGTHS = {
  trusted: 'Signed and trusted',
  signed: 'Signed, signer not trusted',
  stated: 'Stated, not signed',
  weak: 'Weak',
  void: 'Not valid',
};
const SOURCES = {
  c2pa: 'Content Credentials (C2PA)',
  iptc: 'IPTC and XMP',
  generator: "Generator's metadata",
  watermark: 'Invisible watermark',
  camera: 'Camera data',
  software: 'Software',
};
const TITLES = {
  ai: 'AI-generated',
  partly_ai: 'Partly AI-generated',
  real: 'Not AI-generated',
  conflict: 'Contradiction',
  inconclusive: 'Inconclusive',
};
const ICONS = { ai: 'ai', partly_ai: 'ai', real: 'real', conflict: 'failed', inconclusive: 'inconclusive' };

/** Whether the file says anything that the verdict on the pixels does not. */
export function hasEvidence(verdict) {
  const found = verdict.evidence;
  return Boolean(found && (found.findings.length || found.contradictions.length || found.notes.length));
}

/** One line under the verdict on the pixels: what file and pixels come to together; null if the file says nothing. */
export function conclusionLine(verdict) {
  if (!hasEvidence(verdict)) return null;
  const { conclusion } = verdict;
  return make(
    'p',
    { class: `conclusion together-${conclusion.verdict}` },
    icon(ICONS[conclusion.verdict]),
    make('span', {}, make('strong', {}, `Together: ${TITLES[conclusion.verdict]}. `), reason(conclusion)),
  );
}

/** The panel: contradictions first, then each finding with its details, then what was not read. */
export function evidencePanel(verdict) {
  const found = verdict.evidence;
  if (!found) return null;
  const title = make('h4', { id: freshId('evidence') }, 'What the file says of itself');
  const panel = make('section', { class: 'evidence', 'aria-labelledby': title.id }, title);
  if (!hasEvidence(verdict)) {
    panel.append(make('p', {}, 'Nothing of its making. That means nothing: most sites remove such data.'));
    return panel;
  }
  for (const text of found.contradictions) {
    panel.append(make('p', { class: 'contradiction' }, icon('failed'), make('span', {}, `Contradiction: ${text}`)));
  }
  if (found.findings.length) panel.append(make('ul', { class: 'findings' }, ...found.findings.map(finding)));
  for (const text of found.notes) panel.append(make('p', { class: 'small' }, `Not read: ${text}`));
  panel.append(
    make(
      'p',
      { class: 'small' },
      'Only a valid signature of a trusted signer proves anything. Everything else can be written by anyone. ' +
        'Places, names and serial numbers are not shown.',
    ),
  );
  return panel;
}

function finding(one) {
  const item = make(
    'li',
    { class: `finding strength-${one.strength}` },
    make(
      'p',
      { class: 'finding-head' },
      make('strong', {}, SOURCES[one.source]),
      ' ',
      make('span', { class: 'tag' }, STRENGTHS[one.strength]),
    ),
    make('p', {}, sentence(one.text)),
  );
  const rows = [['Where in the file', one.where], ...one.details.map(({ name, value }) => [name, value])];
  const list = make('dl', { class: 'facts' }, ...rows.map(pair));
  item.append(make('details', {}, make('summary', {}, `Details: ${SOURCES[one.source]}`), list));
  return item;
}

function pair([name, value]) {
  return make('div', { class: value.length > 30 ? 'long' : null }, make('dt', {}, name), make('dd', {}, value));
}

/** The conclusion's line without its first word, which the title says. */
function reason({ text }) {
  return sentence(text.slice(text.indexOf(' - ') + 3));
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
