/** What happens outside any call: log lines of the SDKs, devices that are lost and come back. */
import { EventEmitter } from 'node:events';
import { setDeviceEventListener, setLogListener } from './native.js';
import type { DeviceEvent, FailoverEvent, LogEvent } from './types.js';

interface EventsByName {
  log: LogEvent;
  deviceLost: DeviceEvent;
  deviceRecovered: DeviceEvent;
  failover: FailoverEvent;
}

export interface EdgeInferEvents {
  on<Name extends keyof EventsByName>(name: Name, listener: (event: EventsByName[Name]) => void): this;
  once<Name extends keyof EventsByName>(name: Name, listener: (event: EventsByName[Name]) => void): this;
  off<Name extends keyof EventsByName>(name: Name, listener: (event: EventsByName[Name]) => void): this;
  emit<Name extends keyof EventsByName>(name: Name, event: EventsByName[Name]): boolean;
}

/**
 * `log`: one line of an SDK or of edge-infer itself. SDKs never write to stdout.
 * `deviceLost`, `deviceRecovered`: a device stopped or started again to answer.
 * `failover`: a model loaded with `failover` runs on another device from now on.
 */
export const events: EdgeInferEvents = new EventEmitter();

setLogListener((event) => void events.emit('log', event));
setDeviceEventListener((name, event) => void events.emit(name, event));
