;; The whole document, and as much of it as fits.
;; ends: rejected 61
(return (call $twin_get (i32.const 64) (i32.const 2)))
---
;; ends: done
(drop (call $twin_get (i32.const 64) (i32.const 100)))
(if (i32.ne (i32.load (i32.const 64)) (i32.const 0x6564227b)) (then (return (i32.const 1))))
---
;; event: message
;; ends: rejected -1
(return (call $twin_get (i32.const 64) (i32.const 100)))
---
;; ends: pointer
(drop (call $twin_get (i32.const 65530) (i32.const 100)))
---
;; effect: TwinPatch { patch: b"{\"fan\":null}" }
(drop (call $twin_patch `{"fan":null}`))
---
;; ends: twin
;; says: a change of a twin is a JSON object
(drop (call $twin_patch `[1]`))
---
;; ends: twin
(drop (call $twin_patch `{"fan":`))
---
;; ends: twin
(drop (call $twin_patch ``))
---
;; event: message
;; ends: twin
;; says: not about a device
(drop (call $twin_patch `{}`))
---
;; ends: payload
(drop (memory.grow (i32.const 1)))
(drop (call $twin_patch (i32.const 0) (i32.const 65537)))
---
;; grants: none
;; ends: grant
;; says: does not ask for changes of the twin
(drop (call $twin_patch `{}`))
---
;; Reading needs no grant.
;; grants: none
;; ends: rejected 61
(return (call $twin_get (i32.const 64) (i32.const 100)))
