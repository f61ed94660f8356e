;; event: request
;; effect: Respond { content_type: b"text/plain", body: b"hello", status: 201 }
(drop (call $respond (i32.const 201) `text/plain` `hello`))
---
;; event: request
;; ends: respond
;; says: answered already
(drop (call $respond (i32.const 200) `text/plain` `a`))
(drop (call $respond (i32.const 200) `text/plain` `b`))
---
;; ends: respond
;; says: no HTTP request
(drop (call $respond (i32.const 200) `text/plain` `a`))
---
;; event: request
;; ends: respond
;; says: 200 to 599, not 99
(drop (call $respond (i32.const 99) `text/plain` `a`))
---
;; event: request
;; ends: respond
(drop (call $respond (i32.const 65736) `text/plain` `a`))
---
;; event: request
;; ends: respond
;; says: no content type
(drop (call $respond (i32.const 200) `text/plain\nX: y` `a`))
---
;; event: request
;; ends: payload
(drop (memory.grow (i32.const 1)))
(drop (call $respond (i32.const 200) `` (i32.const 0) (i32.const 65537)))
