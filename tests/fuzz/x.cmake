# Deliveries are the connector's fixtures; the files in the corpus are challenges and operations.
gateway_fuzz(x SOURCES x_fuzz.cc CORPUS tests/fuzz/corpus/x tests/fixtures/x
  LINK gateway_plugins connector_x)
