// `doctor`: what it finds, what it advises, and what its report leaves out.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compareVersions, needsOf, tensorrtOf } from '../../lib/cli/binary.js';
import { withoutHome } from '../../lib/cli/bug-report.js';
import type { Diagnosis } from '../../lib/cli/doctor.js';
import { edgeInfer, edgeInferJson, temporaryFolder } from './program.js';

type Json = Diagnosis & {
  ok: boolean;
  report: string | null;
  error?: { code: string; message: string; remedy: string };
};

const folder = temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** No SDK is found with this. */
const noSdk = Object.fromEntries(
  ['OPENVINO', 'TFLITE', 'CUDA'].map((name) => [`EDGE_INFER_${name}`, path.join(folder, 'nowhere')]),
);

describe('findings', () => {
  test('Node, the binary, glibc, SDKs with the places that were looked at', async () => {
    const { code, json } = await edgeInferJson<Json>(['doctor', '--all']);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      ok: true,
      problems: [],
      report: null,
      node: { version: process.versions.node, ok: true },
      machine: { platform: `${process.platform}-${process.arch}` },
      binary: {
        loaded: true,
        error: null,
        path: expect.stringMatching(/^\/.*\.node$/),
        tensorrt: ['8', '10', '11'],
      },
      glibc: { running: expect.stringMatching(/^2\.\d+$/), needed: expect.stringMatching(/^2\.\d+/), ok: true },
    });
    expect(json.backends.map((backend) => backend.name)).toEqual(expect.arrayContaining(['openvino', 'echo']));
    expect(json.backends[0]?.searched.length).toBeGreaterThan(0);
  });

  test('without an SDK: 3, where was looked, and what to do', async () => {
    const [{ code, json }, plain] = await Promise.all([
      edgeInferJson<Json>(['doctor'], { env: noSdk }),
      edgeInfer(['doctor'], { env: noSdk }),
    ]);
    expect(code).toBe(3);
    expect(json).toMatchObject({ ok: false, error: { code: 'ERR_UNAVAILABLE' }, binary: { loaded: true } });
    expect(json.error?.remedy).not.toBe('');
    const openvino = json.backends.find((backend) => backend.name === 'openvino');
    expect(openvino).toMatchObject({ available: false, error: { code: 'ERR_UNAVAILABLE' } });
    expect(openvino?.searched.some((place) => place.path.includes('nowhere') && !place.found)).toBe(true);
    expect(plain.code).toBe(3);
    expect(plain.stdout).toContain('nowhere');
    expect(plain.stdout).toContain(json.error?.remedy ?? '?');
  });

  test('without a binary: 3, why, and where SDKs are all the same', async () => {
    const none = path.join(folder, 'none.node');
    const { code, json } = await edgeInferJson<Json>(['doctor'], { env: { EDGE_INFER_BINDING: none } });
    expect(code).toBe(3);
    expect(json.binary).toMatchObject({ loaded: false, path: none, origin: 'EDGE_INFER_BINDING' });
    expect(json.binary.error?.cause).toContain('none.node');
    expect(json.problems[0]?.what).toContain('no binary');
    expect(json.problems[0]?.remedy).not.toBe('');
    expect(json.backends.map((backend) => backend.name)).toContain('openvino');
  });
});

describe('--report', () => {
  test('holds the findings, few variables, and no home folder', async () => {
    const report = path.join(folder, 'report.json');
    const home = path.join(folder, 'home', 'ann');
    fs.mkdirSync(home, { recursive: true });
    const env = {
      HOME: home,
      SECRET_TOKEN: 'hunter2',
      EDGE_INFER_OPENVINO: path.join(home, 'sdk'),
      EDGE_INFER_TFLITE: path.join(home, 'sdk'),
      LD_LIBRARY_PATH: `${home}/lib:/opt/lib`,
    };
    const { code, stdout } = await edgeInfer(['doctor', '--report', report], { env });
    expect(code).toBe(3);
    expect(stdout).toContain(report);
    const text = fs.readFileSync(report, 'utf8');
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain('SECRET_TOKEN');
    expect(text).not.toContain(home);
    const json = JSON.parse(text) as Json & { environment: Record<string, string>; created: string };
    expect(json.environment).toMatchObject({ EDGE_INFER_OPENVINO: '~/sdk', LD_LIBRARY_PATH: '~/lib:/opt/lib' });
    expect(Object.keys(json.environment).every((name) => /^(EDGE_INFER_.*|LD_LIBRARY_PATH)$/.test(name))).toBe(true);
    expect(json.backends[0]?.searched[0]?.path).toMatch(/^~\/sdk|EDGE_INFER_OPENVINO/);
    expect(json).toMatchObject({ binary: { loaded: true }, machine: { cores: os.cpus().length } });
    expect(text).not.toContain(os.hostname().length > 3 ? `"${os.hostname()}"` : '\0');
  });

  test('a full disk: 1, and what to do', async () => {
    const { code, json } = await edgeInferJson<{ error: object }>(['doctor', '--report', '/dev/full']);
    expect(code).toBe(1);
    expect(json.error).toMatchObject({
      code: 'ERR_PERMISSION',
      message: expect.stringMatching(/^Cannot write \/dev\/full: ENOSPC/),
      remedy: expect.stringContaining('space'),
    });
  });

  test('where it cannot be written: 2', async () => {
    const { code, stderr } = await edgeInfer(['doctor', '--report', path.join(folder, 'none', 'r.json')]);
    expect(code).toBe(2);
    expect(stderr).toContain('Cannot write');
  });
});

describe('withoutHome', () => {
  const homes = ['/data/home/ann', '/home/ann'];
  test.each([
    ['/home/ann/x', '~/x'],
    ['/home/ann', '~'],
    ['in /home/ann.', 'in ~.'],
    ['a=/home/ann:/home/ann/b', 'a=~:~/b'],
    ['/data/home/ann/x', '~/x'],
    ['file:///home/ann/x', 'file://~/x'],
    ['/home/anna/x', '/home/anna/x'],
    ['/home/ann-b/x', '/home/ann-b/x'],
    ['/home/ann.old/x', '/home/ann.old/x'],
    ['/mnt/home/ann/x', '/mnt/home/ann/x'],
  ])('%s', (text, expected) => {
    expect(withoutHome(text, homes)).toBe(expected);
  });

  test('in keys, arrays and objects; other values stay', () => {
    expect(withoutHome({ '/home/ann/a': ['/home/ann', 1, null, true, { x: '/home/ann' }] }, homes)).toEqual({
      '~/a': ['~', 1, null, true, { x: '~' }],
    });
  });
});

describe('what a binary needs', () => {
  test('of a program of this system', () => {
    const { glibc } = needsOf(process.execPath);
    expect(glibc).toMatch(/^2\.\d+/);
    const report = process.report?.getReport() as unknown as { header: { glibcVersionRuntime: string } };
    // It runs: so it needs no more than there is.
    expect(compareVersions(glibc ?? '9', report.header.glibcVersionRuntime)).toBeLessThanOrEqual(0);
  });

  test.each<[string, Buffer | null]>([
    ['no file', null],
    ['an empty file', Buffer.alloc(0)],
    ['text', Buffer.from('#!/bin/sh\n'.repeat(10))],
    [
      'an ELF header that points outside',
      Buffer.concat([Buffer.from('7f454c46020101', 'hex'), Buffer.alloc(100, 0xff)]),
    ],
  ])('%s', (name, content) => {
    const file = path.join(folder, name);
    if (content !== null) fs.writeFileSync(file, content);
    expect(needsOf(file)).toEqual({ glibc: null, glibcxx: null });
    expect(tensorrtOf(file)).toEqual([]);
  });

  test('versions are ordered by number', () => {
    expect(['2.34', '2.4', '2.2.5', '2.17'].sort(compareVersions)).toEqual(['2.2.5', '2.4', '2.17', '2.34']);
  });
});
