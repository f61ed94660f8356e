;; ends: done
;; Looks for what an earlier event left in a table. Run twice: 0 each time.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (table 1 funcref)
  (elem declare func $left)
  (func $left)
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (if (i32.eqz (ref.is_null (table.get (i32.const 0)))) (then (return (i32.const 1))))
    (table.set (i32.const 0) (ref.func $left))
    (i32.const 0)))
