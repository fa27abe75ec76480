const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char);
}

export function page(title: string, body: string): string {
  return `<!doctype html>\n<html lang="en">\n<title>${escape(title)}</title>\n<main>\n${body}\n</main>\n</html>\n`;
}
