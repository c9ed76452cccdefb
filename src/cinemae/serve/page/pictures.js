// Pixels: decoding in the browser, upright and the first frame only, for thumbnails, the viewer and the report.

import { make } from './dom.js';

let last = Promise.resolve();

/** Runs one decoding after the other: two 100-megapixel pictures at once are too much for a phone. */
function inTurn(work) {
  const mine = last.then(work);
  last = mine.catch(() => null); // the caller hears of it; the next in turn must not
  return mine;
}

/**
 * Draws a file into a canvas whose longer side is at most `side` pixels.
 *
 * Returns null if this browser can't show it (TIFF and HEIC in most). createImageBitmap turns by EXIF, as the server
 * does, and takes the first frame of an animation, as the server does.
 */
export function drawFile(file, side) {
  return inTurn(async () => {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' });
    } catch {
      return null; // not a kind of picture that it knows: the caller shows a placeholder or the server's view
    }
    const zoom = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    const canvas = make('canvas', {
      width: Math.max(1, Math.round(bitmap.width * zoom)),
      height: Math.max(1, Math.round(bitmap.height * zoom)),
    });
    const pen = canvas.getContext('2d');
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return canvas;
  });
}

/** An <img> of a PNG that came as base64. */
export function png(base64, alt) {
  return make('img', { src: `data:image/png;base64,${base64}`, alt });
}

/**
 * The picture that a result's map is laid over, and the map's box on it as shares of its sides (left, top, width,
 * height): the file, or the server's view of it where the browser can't show the file or turns it otherwise.
 */
export async function scene(entry, side) {
  const { verdict, map, reconstruction } = entry.result;
  const canvas = await drawFile(entry.file, side);
  const like = canvas && Math.abs((canvas.width / canvas.height) * (verdict.height / verdict.width) - 1) < 0.05;
  if (canvas && (like || Math.min(canvas.width, canvas.height) < 20)) {
    const [left, top, right, bottom] = map?.box ?? [0, 0, verdict.width, verdict.height];
    return {
      canvas,
      whole: true,
      place: [
        left / verdict.width,
        top / verdict.height,
        (right - left) / verdict.width,
        (bottom - top) / verdict.height,
      ],
    };
  }
  if (!reconstruction) return null;
  const view = png(reconstruction.view, '');
  await view.decode();
  const drawn = make('canvas', { width: view.naturalWidth, height: view.naturalHeight });
  drawn.getContext('2d').drawImage(view, 0, 0);
  return { canvas: drawn, whole: false, place: [0, 0, 1, 1] };
}
