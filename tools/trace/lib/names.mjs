// Names for addresses: functions by range, threads by address and time, drivers by range.
import { NAME_FUNCTION, NAME_MODULE, NAME_THREAD, formatAddress } from "./format.mjs";

const VECTORS = {
  0x1f: "APC request", 0x2f: "dispatch interrupt", 0xd1: "clock interrupt",
  0xe1: "call from another processor", 0xfe: "APIC error", 0xff: "spurious interrupt",
};

export function vectorName(vector) {
  return VECTORS[vector] ?? `interrupt 0x${vector.toString(16)}`;
}

const MAJOR_FUNCTIONS = [
  "CREATE", "CREATE_NAMED_PIPE", "CLOSE", "READ", "WRITE", "QUERY_INFORMATION", "SET_INFORMATION",
  "QUERY_EA", "SET_EA", "FLUSH_BUFFERS", "QUERY_VOLUME_INFORMATION", "SET_VOLUME_INFORMATION",
  "DIRECTORY_CONTROL", "FILE_SYSTEM_CONTROL", "DEVICE_CONTROL", "INTERNAL_DEVICE_CONTROL",
  "SHUTDOWN", "LOCK_CONTROL", "CLEANUP", "CREATE_MAILSLOT", "QUERY_SECURITY", "SET_SECURITY",
  "POWER", "SYSTEM_CONTROL", "DEVICE_CHANGE", "QUERY_QUOTA", "SET_QUOTA", "PNP",
];

export function majorName(major) {
  return `IRP_MJ_${MAJOR_FUNCTIONS[major] ?? `0x${major.toString(16)}`}`;
}

export const IRQL_NAMES = [
  "PASSIVE_LEVEL", "APC_LEVEL", "DISPATCH_LEVEL", "device IRQL 3", "device IRQL 4", "device IRQL 5",
  "device IRQL 6", "device IRQL 7", "device IRQL 8", "device IRQL 9", "device IRQL 10",
  "device IRQL 11", "SYNCH_LEVEL", "CLOCK_LEVEL", "IPI_LEVEL", "HIGH_LEVEL",
];

// The last of sorted items whose key is not above value, or undefined.
function lastNotAbove(items, key, value) {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle][key] <= value)
      low = middle + 1;
    else
      high = middle;
  }
  return items[low - 1];
}

export class Names {
  constructor(records) {
    const ranges = (kind) => records.filter((r) => r.kind === kind)
      .sort((a, b) => a.address - b.address || a.time - b.time);
    this.functions = ranges(NAME_FUNCTION);
    this.modules = ranges(NAME_MODULE);
    this.threads = new Map();
    for (const record of records.filter((r) => r.kind === NAME_THREAD)) {
      if (!this.threads.has(record.address))
        this.threads.set(record.address, []);
      this.threads.get(record.address).push(record);
    }
    this.known = new Map(); // code that has been looked up
  }

  thread(address, time) {
    const records = this.threads.get(address);
    if (records === undefined)
      return `thread ${formatAddress(address)}`;
    return (lastNotAbove(records, "time", time) ?? records[0]).text;
  }

  // "name", "name+0x12", "driver!name", "driver+0x12", or the number.
  code(address) {
    let text = this.known.get(address);
    if (text === undefined) {
      text = this.lookUp(address);
      this.known.set(address, text);
    }
    return text;
  }

  lookUp(address) {
    const symbol = lastNotAbove(this.functions, "address", address);
    if (symbol !== undefined && address < symbol.address + Math.max(symbol.size, 1))
      return withOffset(symbol.text, address - symbol.address);
    const module = lastNotAbove(this.modules, "address", address);
    if (module !== undefined && address < module.address + module.size)
      return withOffset(module.text, address - module.address);
    return formatAddress(address);
  }

  // The function alone that a return address belongs to.
  caller(address) {
    return this.code(address - 1).replace(/\+0x[0-9a-f]+$/, "");
  }
}

function withOffset(text, offset) {
  return offset === 0 ? text : `${text}+0x${offset.toString(16)}`;
}
