// Puts an app's own libraries beside it, so that dist/apps/<app> runs wherever Node is.
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const app = process.argv[2];
const packed = new Set();

for (const wanted = await imports(`dist/apps/${app}`); wanted.length > 0; ) {
  const lib = wanted.pop();
  if (!packed.has(lib)) {
    packed.add(lib);
    wanted.push(...(await imports(`dist/libs/${lib}`)));
    await cp(`dist/libs/${lib}`, `dist/apps/${app}/node_modules/@storefront/${lib}`, { recursive: true });
  }
}
console.log(`${app}: packed ${[...packed].sort().join(', ')}`);

async function imports(folder) {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.js'));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.flatMap((text) => [...text.matchAll(/require\("@storefront\/([\w-]+)"\)/g)].map(([, lib]) => lib));
}
