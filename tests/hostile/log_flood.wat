;; ends: log-bytes
;; says: limit of 8192 bytes of log
;; Logs a megabyte in lines of 1 kB.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (import "fleetfn_v1" "log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (local $line i32)
    (loop $again
      (drop (call $log (i32.const 1) (i32.const 0) (i32.const 1024)))
      (local.set $line (i32.add (local.get $line) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $line) (i32.const 1024))))
    (i32.const 0)))
