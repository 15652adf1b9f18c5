gateway_fuzz(transcript SOURCES transcript_fuzz.cc CORPUS tests/fuzz/corpus/transcript
  LINK gateway_outbound)
