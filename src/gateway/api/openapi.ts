// The route table as an OpenAPI 3.1 document.

import { z } from 'zod';
import type { Route } from './route.ts';

const ERROR = z.object({
  error: z.object({
    code: z.string().describe('Stable, for programs.'),
    message: z.string(),
    next: z.string().optional().describe('What to do now.'),
    rule: z.string().optional(),
    session: z.string().optional(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  }),
});

/** `publicUrl`: the gateway's own. */
export function openApi(routes: readonly Route[], version: string, publicUrl: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const one of routes) {
    const path = one.path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}');
    paths[path] ??= {};
    paths[path][one.method] = operation(one);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'hoopctl gateway', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: publicUrl }],
    paths,
    components: {
      schemas: { Error: schemaOf(ERROR, 'output') },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function operation(one: Route): object {
  const parameters = [...parametersOf(one.params, 'path'), ...parametersOf(one.query, 'query')];
  const content = one.form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
  const body = one.form ?? one.body;
  const answer =
    'stream' in one.answer
      ? { [one.answer.stream]: { schema: { type: 'string' } } }
      : { 'application/json': { schema: schemaOf(one.answer, 'output') } };
  const roles = one.auth === 'admin' || one.auth === 'auditor' ? ` Role: ${one.auth}.` : '';
  return {
    summary: one.summary + roles,
    tags: [one.tag],
    operationId: `${one.method}${one.path.replace(/[^a-zA-Z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
    ...(one.auth === 'none' ? {} : { security: [{ bearer: [] }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { [content]: { schema: schemaOf(body, 'input') } } } }),
    responses: {
      200: { description: 'Done.', content: answer },
      default: {
        description: 'Refused or failed.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query'): object[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(property.description === undefined ? {} : { description: property.description }),
    schema: property,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return rest;
}
