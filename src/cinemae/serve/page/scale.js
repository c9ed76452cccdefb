// The probability scale, the verdict's line, the facts and the map's legend: shared by the cards and the report.

import { icon, make } from './dom.js';
import { TITLES, abstains, facts, meaning, percent, scaleWords } from './words.js';

const WIDEST = 100;

function at(element, share) {
  element.style.insetInlineStart = `${Math.min(Math.max(share, 0), 1) * WIDEST}%`;
  return element;
}

/** A bar from 0 to 1 with what is inconclusive, or the threshold, and the picture's probability; null without one. */
export function probabilityScale(verdict) {
  if (verdict.probability === null) return null;
  const words = `${percent(verdict.probability)} AI-generated. ${scaleWords(verdict)}`;
  const bar = make('div', { class: 'scale', role: 'img', 'aria-label': words });
  if (abstains(verdict)) {
    const [low, high] = verdict.band;
    const band = at(make('span', { class: 'scale-band' }), low);
    band.style.inlineSize = `${(high - low) * WIDEST}%`;
    bar.append(band);
  } else {
    bar.append(at(make('span', { class: 'scale-threshold' }), verdict.threshold));
  }
  bar.append(at(make('span', { class: `scale-mark ${verdict.verdict}` }, icon(verdict.verdict)), verdict.probability));
  return bar;
}

/** The verdict in words and shape, with its probability. */
export function verdictLine(verdict) {
  const said = make('p', { class: `verdict ${verdict.verdict}` }, icon(verdict.verdict), TITLES[verdict.verdict]);
  if (verdict.probability !== null) {
    const share = percent(verdict.probability);
    said.append(make('span', { class: 'share' }, make('span', { class: 'unseen' }, ', '), `AI probability ${share}`));
  }
  return said;
}

/** The scale with its ends and its explanation in words. */
export function explanation(verdict) {
  const block = make('div', { class: 'explanation' });
  if (verdict.probability !== null) {
    block.append(
      make(
        'div',
        { class: 'scale-ends', 'aria-hidden': 'true' },
        make('span', {}, 'real'),
        make('span', {}, 'AI-generated'),
      ),
      probabilityScale(verdict),
      make('p', { class: 'small' }, scaleWords(verdict)),
    );
  }
  block.append(...meaning(verdict).map((sentence) => make('p', {}, sentence)));
  return block;
}

/** Facts as a description list. */
export function factList(verdict) {
  const list = make('dl', { class: 'facts' });
  for (const [name, value] of facts(verdict)) {
    const long = value.length > 24 ? 'long' : null;
    list.append(make('div', { class: long }, make('dt', {}, name), make('dd', {}, value)));
  }
  return list;
}

/** The colour scale of the map, with a pointer that `point(gap)` moves and `point(null)` hides. */
export function legend(map) {
  const [low, high] = map.scale;
  const pointer = make('span', { class: 'legend-pointer', hidden: true });
  const ticks = make('div', { class: 'legend-ticks', 'aria-hidden': 'true' });
  for (let value = Math.ceil(low); value <= high; value += 1) {
    ticks.append(
      at(make('span', {}, value > 0 ? `+${value}` : String(value).replace('-', '−')), (value - low) / (high - low)),
    );
  }
  const element = make(
    'div',
    { class: 'legend' },
    make(
      'div',
      { class: 'legend-bar', role: 'img', 'aria-label': `Colour scale from ${low} (dark) to ${high} (bright)` },
      pointer,
    ),
    ticks,
    make(
      'p',
      { class: 'small' },
      'Bits per colour sample (bits/dim) above what the model expected of a patch. At 0 and below a patch stays clear.',
    ),
  );
  const point = (gap) => {
    pointer.hidden = gap === null;
    if (gap !== null) at(pointer, (gap - low) / (high - low));
  };
  return { element, point };
}
