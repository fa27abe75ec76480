import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { handle } = (await import(pathToFileURL('dist/apps/api/index.js').href)).default;

createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
  }
  const { status, body } = handle(request.method, request.url, text ? JSON.parse(text) : undefined);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}).listen(Number(process.env.PORT ?? 3000));
