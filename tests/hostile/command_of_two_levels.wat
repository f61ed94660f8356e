;; ends: command
;; says: 'a/reply'
;; Sends a command whose name is two topic levels.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (import "fleetfn_v1" "command" (func $command (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (data (i32.const 0) "a/reply")
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (call $command (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0))))
