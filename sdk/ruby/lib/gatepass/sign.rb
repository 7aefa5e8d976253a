# frozen_string_literal: true

# Signing on a server: makes the URLs that let a browser upload or read one file, and checks the
# receipts that come back. Standard library only.
module Gatepass
  # Nothing was signed. +code+: +:settings_invalid+, +:path_invalid+ or +:policy_malformed+.
  class SigningError < ArgumentError
    attr_reader :code

    def initialize(code, message)
      super(message)
      @code = code
    end
  end

  # A receipt is not believed. +code+: +:malformed+, +:signature_invalid+ or +:expired+.
  class ReceiptError < StandardError
    attr_reader :code

    def initialize(code, message)
      super(message)
      @code = code
    end
  end
end

require_relative "sign/path"
require_relative "sign/policy"
require_relative "sign/receipt_claims"
require_relative "sign/signer"
