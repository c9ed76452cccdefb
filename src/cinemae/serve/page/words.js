// What the page says in words, and how it writes numbers. The report uses the same.

export const TITLES = { ai: 'Looks AI-generated', real: 'Looks real', inconclusive: 'Inconclusive' };

const BYTES = new Intl.NumberFormat('en', { useGrouping: true });
const PREFIXES = ['bytes', 'kB', 'MB', 'GB'];

/** 0.583 as "58 %"; the ends are never rounded to certainty. */
export function percent(probability) {
  if (probability < 0.01) return 'under 1 %';
  if (probability > 0.99) return 'over 99 %';
  return `${Math.round(probability * 100)} %`;
}

/** 123456 as "123 kB". */
export function shortSize(bytes) {
  const power = Math.min(3, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return power ? `${Number((bytes / 1000 ** power).toPrecision(3))} ${PREFIXES[power]}` : `${bytes} bytes`;
}

/** 123456 as "123,456 bytes (123 kB)". */
export function size(bytes) {
  const exact = `${BYTES.format(bytes)} bytes`;
  return bytes < 1000 ? exact : `${exact} (${shortSize(bytes)})`;
}

/** A share of a scale as "of 100": "about 58 of 100", or "fewer than 1 of 100". */
function ofHundred(probability) {
  if (probability < 0.01) return 'fewer than 1 of 100';
  if (probability > 0.99) return 'more than 99 of 100';
  return `about ${Math.round(probability * 100)} of 100`;
}

/** Whether the verdict was made at an error rate, and so may be inconclusive; else at a threshold. */
export function abstains(verdict) {
  return verdict.alpha !== null;
}

/** 0.1 as "10 %", an error rate as it was asked for. */
function rate(alpha) {
  return `${Number((100 * alpha).toPrecision(3))} %`;
}

/** One line under the probability scale. */
export function scaleWords(verdict) {
  if (!abstains(verdict)) {
    return `Threshold ${percent(verdict.threshold)}; never inconclusive: this server decides at the threshold.`;
  }
  const [low, high] = verdict.band;
  return (
    `Inconclusive from ${percent(low)} to ${percent(high)}: so at most ${rate(verdict.alpha)} of AI pictures like ` +
    `those of calibration are called real, and of real ones AI.`
  );
}

/** Why there is no verdict: either class would do at this error rate, or neither. */
function undecided(verdict) {
  return verdict.p_ai > verdict.alpha
    ? 'That is too close to call: the model abstains, in both directions.'
    : 'It looks like neither AI-generated nor real pictures of calibration: the model abstains.';
}

/** What a verdict means, as sentences. */
export function meaning(verdict) {
  if (verdict.probability === null) {
    return ['This server has no trained head for its model: it measured the likelihood, but can give no probability.'];
  }
  const said = [
    `By the model's calibration, ${ofHundred(verdict.probability)} pictures with this score are AI-generated. That ` +
      `holds for pictures like those it was calibrated on, where real ones count for half.`,
  ];
  if (verdict.verdict === 'inconclusive') said.push(undecided(verdict));
  if (verdict.verdict === 'real')
    said.push('Weak evidence: the model misses many pictures of generators it does not know.');
  if (verdict.verdict === 'ai') said.push('A hint, not proof: it also takes some real pictures for AI-generated.');
  return said;
}

/** "Only the first of 3 frames was scored.", or null. */
export function frameWords(verdict) {
  return verdict.frames > 1 ? `Animated: only the first of ${verdict.frames} frames was scored.` : null;
}

/** What a screen reader is told when a picture is done. */
export function announcement(name, entry) {
  if (entry.state === 'failed') return `${name}: not scored. ${entry.problem}`;
  const { verdict } = entry.result;
  const share = verdict.probability === null ? '' : `, AI probability ${percent(verdict.probability)}`;
  const looks = TITLES[verdict.verdict].replace(/^[LI]/, (letter) => letter.toLowerCase());
  const said = verdict.evidence?.findings.length ? ` Together with what the file says: ${verdict.conclusion.text}.` : '';
  return `${name}: ${looks}${share}.${said}`;
}

/** A patch's numbers, read from its map. */
export function patchWords(map, row, column) {
  const gap = map.gap[row][column];
  const beside = gap >= 0 ? 'more than expected' : 'less than expected';
  return (
    `Row ${row + 1}, column ${column + 1}: ${map.bits[row][column].toFixed(2)} bits/dim, ` +
    `${Math.abs(gap).toFixed(2)} ${beside}`
  );
}

/** Facts of a verdict as [name, value] pairs, in the order in which they are shown. */
export function facts(verdict) {
  const number = (value, digits) => (value === null ? null : value.toFixed(digits));
  return [
    ['Probability', number(verdict.probability, 4)],
    ['Threshold', abstains(verdict) ? null : number(verdict.threshold, 4)],
    ['Error rate', abstains(verdict) ? rate(verdict.alpha) : null],
    ['Inconclusive', abstains(verdict) ? verdict.band.map((end) => end.toFixed(4)).join(' to ') : null],
    ['p-value, AI', number(verdict.p_ai, 4)],
    ['p-value, real', number(verdict.p_real, 4)],
    ['Bits/dim', number(verdict.bits_per_dim, 4)],
    ['Format', verdict.format],
    ['Size', verdict.width === null ? null : `${verdict.width} × ${verdict.height} pixels`],
    ['File', verdict.file_bytes === null ? null : size(verdict.file_bytes)],
    ['Frames', verdict.frames > 1 ? `${verdict.frames}, the first was scored` : verdict.frames && '1'],
    ['Time', `${verdict.seconds.toFixed(2)} s`],
    ['Precision', verdict.precision],
    ['Seed of the masks', String(verdict.seed)],
    ['Notes', verdict.notes.length ? verdict.notes.join('; ') : null],
    ['SHA-256', verdict.sha256],
    ['Model', verdict.model],
  ].filter(([, value]) => value !== null);
}
