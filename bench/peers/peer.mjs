// The peers: how they are installed, and the process that each of them runs in.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { root, Sentence } from '../../scripts/root.mjs';

const folder = path.join(root, 'bench', 'peers');

/** The packages that bench/peers/package.json pins, without their install scripts (which fetch files). Where they are. */
export function installPeers() {
  const target = path.join(root, 'build', 'bench-peers');
  const wanted = fs.readFileSync(path.join(folder, 'package.json'), 'utf8');
  const manifest = path.join(target, 'package.json');
  const same = fs.existsSync(manifest) && fs.readFileSync(manifest, 'utf8') === wanted;
  const names = Object.keys(JSON.parse(wanted).dependencies);
  if (!same || !names.every((name) => fs.existsSync(path.join(target, 'node_modules', name)))) {
    fs.mkdirSync(target, { recursive: true });
    fs.writeFileSync(manifest, wanted);
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
    const { status } = spawnSync('npm', args, { cwd: target, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Sentence('npm could not install the peers.');
  }
  return manifest;
}

/** The folder of an installed peer. `modules` is what installPeers() returned. */
export function peerFolder(modules, name) {
  return path.join(path.dirname(modules), 'node_modules', name);
}

export function peerVersion(modules, name) {
  return JSON.parse(fs.readFileSync(path.join(peerFolder(modules, name), 'package.json'), 'utf8')).version;
}

/** A peer's process; one command at a time. `options` go to every `open`. */
export class Peer {
  static node(name, file, { env = {}, options = {} } = {}) {
    return new Peer(name, process.execPath, file, { env, options, node: true });
  }

  static python(name, python, file, { env = {}, options = {} } = {}) {
    return new Peer(name, python, file, { env: { PYTHONDONTWRITEBYTECODE: '1', ...env }, options, node: false });
  }

  constructor(name, command, file, { env, options, node }) {
    this.name = name;
    this.options = options;
    /** Has an event loop. */
    this.node = node;
    this.program = [command, [path.join(folder, file)], { ...process.env, ...env }];
  }

  start() {
    const [command, args, env] = this.program;
    this.child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin.on('error', () => {}); // it ended: the answer that is missing says so
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(command, options = {}) {
    this.child.stdin.write(`${JSON.stringify({ command, ...options })}\n`);
    const { value } = await this.lines.next();
    const answer = value === undefined ? { error: 'it ended' } : JSON.parse(value);
    if (answer.error !== undefined) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  open(model) {
    return this.ask('open', { ...model, ...this.options });
  }

  async end() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin.end();
    await closed;
  }

  /** Milliseconds from the start of a process to its first result. */
  first(model) {
    const [command, args, env] = this.program;
    const begin = performance.now();
    const all = [...args, '--first', model.file, JSON.stringify(model.shape)];
    const { status, stdout } = spawnSync(command, all, { env, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
    if (status !== 0 || !stdout.includes('done')) throw new Error(`${this.name} did not make its first run`);
    return performance.now() - begin;
  }
}
