# Mail from anywhere: MIME, HTML, addresses. The raw fixtures are seeds.
gateway_fuzz(email_mime SOURCES email_mime_fuzz.cc
  CORPUS tests/fuzz/corpus/email_mime tests/fixtures/email/raw LINK connector_email connector_sdk)
gateway_fuzz(email_html SOURCES email_html_fuzz.cc
  CORPUS tests/fuzz/corpus/email_html LINK connector_email connector_sdk)
gateway_fuzz(email_address SOURCES email_address_fuzz.cc
  CORPUS tests/fuzz/corpus/email_address LINK connector_email connector_sdk)
