import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { pages } = (await import(pathToFileURL('dist/apps/web/index.js').href)).default;
const folder = 'dist/apps/web/public';

await mkdir(folder, { recursive: true });
for (const { path, html } of pages()) {
  await writeFile(join(folder, path), html);
}
console.log(`web: ${pages().length} pages in ${folder}`);
