gateway_fuzz(visitor_token SOURCES visitor_token_fuzz.cc CORPUS tests/fuzz/corpus/visitor_token LINK gateway_visitors)
