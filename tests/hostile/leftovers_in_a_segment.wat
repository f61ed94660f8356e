;; ends: done
;; Uses a passive segment, then drops it. Run twice: 0 each time.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (data $bytes "abcd")
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 4))
    (data.drop $bytes)
    (i32.const 0)))
