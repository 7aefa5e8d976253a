defmodule Gatepass.MixProject do
  use Mix.Project

  def project do
    [
      app: :gatepass_sign,
      version: "0.1.0",
      elixir: "~> 1.13",
      description: "Gatepass for Elixir: sign upload and download URLs, check receipts",
      package: [licenses: ["MIT", "Apache-2.0"], links: %{}],
      deps: []
    ]
  end

  def application, do: [extra_applications: [:crypto]]
end
