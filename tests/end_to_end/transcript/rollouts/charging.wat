;; Lets the rollout fw-2 have a device only while it charges, as it last said on the channel power: {"charging":true} or
;; {"charging":false}. One that does not is asked again when the rollout likes.
(module
  (@custom "fleetfn_v1_manifest" "{\"abi\":1,\"name\":\"charging\",\"triggers\":[{\"telemetry\":\"power\"},{\"update\":\"offer\"}]}")
  (import "fleetfn_v1" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "power")
  (data (i32.const 16) "update/answer")
  ;; The device's id comes behind it.
  (data (i32.const 64) "devices/")
  (data (i32.const 256) "{\"rollout\":\"fw-2\",\"generation\":0,\"says\":\"accept\"}")
  (data (i32.const 512) "{\"rollout\":\"fw-2\",\"generation\":0,\"says\":{\"defer\":{\"until_ms\":99999999999999,\"why\":\"it does not charge\"}}}")
  ;; The event is at 4096: a header of 40 bytes, the device's id, the kind's detail, the payload.
  (func (export "fleetfn_v1_buffer") (result i64)
    (i64.or (i64.shl (i64.const 32768) (i64.const 32)) (i64.const 4096)))
  (func $id_bytes (result i32) (i32.load16_u (i32.const 4100)))
  (func $payload (result i32)
    (i32.add (i32.const 4136) (i32.add (call $id_bytes) (i32.load16_u (i32.const 4102)))))
  ;; The question begins with {"device":"ID","rollout":"fw-2","generation":N: the digit behind the third colon.
  (func $generation (result i32)
    (local $at i32) (local $colons i32)
    (local.set $at (call $payload))
    (loop $next
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 58))
        (then (local.set $colons (i32.add (local.get $colons) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $colons) (i32.const 3))))
    (i32.load8_u (local.get $at)))
  (func $answer (param $text i32) (param $length i32)
    (i32.store8 (i32.add (local.get $text) (i32.const 31)) (call $generation))
    (memory.copy (i32.const 72) (i32.const 4136) (call $id_bytes))
    (drop (call $send (i32.const 64) (i32.add (i32.const 8) (call $id_bytes)) (i32.const 16) (i32.const 13)
      (local.get $text) (local.get $length) (i32.const 0))))
  (func (export "fleetfn_v1_on_event") (param i32) (result i32)
    (if (i32.eq (i32.load16_u (i32.const 4098)) (i32.const 1))
      (then (drop (call $put (i32.const 0) (i32.const 5) (call $payload) (i32.load (i32.const 4106)))))
      (else
        (drop (call $get (i32.const 0) (i32.const 5) (i32.const 1024) (i32.const 64)))
        ;; The t of true.
        (if (i32.eq (i32.load8_u (i32.const 1036)) (i32.const 116))
          (then (call $answer (i32.const 256) (i32.const 49)))
          (else (call $answer (i32.const 512) (i32.const 105))))))
    (i32.const 0)))
