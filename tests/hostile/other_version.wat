;; refused: 'fleetfn_v2_on_event' belongs to another version
;; Was built for another version of the interface.
(module
  (memory (export "memory") 1)
  (func (export "fleetfn_v2_on_event") (param i32) (result i32) (i32.const 0)))
