;; ends: done
;; Grows memory. Run twice: it is one page again.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (if (i32.ne (memory.size) (i32.const 1)) (then (return (i32.const 1))))
    (drop (memory.grow (i32.const 3)))
    (i32.const 0)))
