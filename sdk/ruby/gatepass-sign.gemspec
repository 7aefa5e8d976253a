# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = "gatepass-sign"
  spec.version = "0.1.0"
  spec.summary = "Gatepass for Ruby: sign upload and download URLs, check receipts"
  spec.authors = ["Gatepass"]
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.homepage = "https://github.com/gatepass/gatepass"
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir["lib/**/*.rb"] + ["README.md"]
end
