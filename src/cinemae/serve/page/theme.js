// Light or dark: the system's choice, until the reader makes one.

const NAME = 'cinemae-theme';

/** Remembers a choice where the browser allows it; without storage it lasts as long as the page. */
function remembered(value) {
  try {
    if (value !== undefined) localStorage.setItem(NAME, value);
    return localStorage.getItem(NAME);
  } catch (error) {
    if (error instanceof DOMException) return null; // storage is switched off, or full
    throw error;
  }
}

/** Applies the remembered choice and listens to the switch. */
export function startTheme() {
  const choices = document.querySelectorAll('#theme input');
  const apply = (theme) => document.documentElement.setAttribute('data-theme', theme);
  for (const choice of choices) {
    choice.addEventListener('change', () => {
      apply(choice.value);
      remembered(choice.value);
    });
  }
  const kept = [...choices].find((choice) => choice.value === remembered());
  if (kept) {
    kept.checked = true;
    apply(kept.value);
  }
}
