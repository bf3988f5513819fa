/** A demo in examples/, run as its users run it, and its modules one by one. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './child.js';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Example {
  private readonly folder: string;

  /** `workingFolder`: where it runs, and so where it writes. */
  constructor(
    name: string,
    private readonly workingFolder: string,
  ) {
    this.folder = join(root, 'examples', name);
  }

  /** The command with these arguments. `env` is added to ours; what is undefined there is taken out. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    return this.node([join(this.folder, 'main.mjs'), ...args], env);
  }

  /** What the command tells with `--json`. */
  async report<T>(args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(['--json', ...args]);
    if (code !== 0) throw new Error(`The demo ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Runs ES module code with these modules at hand; jest itself runs CommonJS. What `body` evaluates to comes back. */
  async evaluate<T>(modules: Readonly<Record<string, string>>, body: string): Promise<T> {
    const imports = Object.entries(modules).map(
      ([name, file]) => `import * as ${name} from ${JSON.stringify(pathToFileURL(join(this.folder, file)).href)};`,
    );
    const script = `${imports.join('\n')}\nconst result = await (async () => {${body}})();\nconsole.log(JSON.stringify(result));`;
    const { code, stdout, stderr } = await this.node(['--input-type=module', '--eval', script]);
    if (code !== 0) throw new Error(`The script ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  private node(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const options = { cwd: this.workingFolder, maxBuffer: 2 ** 26, env: { ...process.env, ...env } };
    return new Promise((resolve) => {
      execFile(process.execPath, args, options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
    });
  }
}
